//! `#[derive(CacheKey)]`.

mod bounds;
mod options;

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Data, DataEnum, DeriveInput, Fields, Path, Type, parse_quote};

use self::options::{Container, FieldWay};
use crate::errors::Errors;
use crate::model::located;

/// The implementation of `CacheKey`, which feeds the fields in their order, after the name of an enum's variant.
pub(crate) fn expand(input: DeriveInput) -> TokenStream {
    let errors = Errors::new();
    let Container { krate, bound } = Container::parse(&input.attrs, &errors);
    let mut used = bounds::Used::of(&input.ident, &input.generics);
    let (body, words) = match &input.data {
        Data::Struct(data) => {
            let Fed { bindings, feeds, words } = Fed::new(&krate, &data.fields, &mut used, &errors);
            let body = quote! {
                let Self { #bindings } = self;
                #(#feeds)*
            };
            (body, words)
        }
        Data::Enum(data) if data.variants.is_empty() => (quote!(match *self {}), None),
        Data::Enum(data) => variants(&krate, data, &mut used, &errors),
        Data::Union(data) => {
            errors.over(
                data.union_token,
                "a union can't be part of a key: it doesn't tell which of its fields is set; implement `CacheKey` by hand",
            );
            (TokenStream::new(), None)
        }
    };
    let words = words.map(|words| quote!(const WORDS: ::core::primitive::usize = #words;));
    if let Some(errors) = errors.finish() {
        return errors;
    }
    let DeriveInput { ident, mut generics, .. } = input;
    let predicates = bound.unwrap_or_else(|| used.predicates(&krate));
    generics.make_where_clause().predicates.extend(predicates);
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #impl_generics #krate::CacheKey for #ident #type_generics #where_clause {
            #words
            #[allow(unused_imports, unused_variables)]
            fn cache_key<__CachekitWriter: #krate::KeyWriter>(&self, __cachekit_writer: &mut __CachekitWriter) {
                #body
            }
        }
    }
}

/// The arms that feed the variants, and how many words a value is, if it is words.
fn variants(
    krate: &Path,
    data: &DataEnum,
    used: &mut bounds::Used,
    errors: &Errors,
) -> (TokenStream, Option<TokenStream>) {
    let mut sums = Vec::new();
    let arms = data.variants.iter().map(|variant| {
        let name = &variant.ident;
        // The name and not the position, so that reordering the variants changes no key.
        let text = syn::ext::IdentExt::unraw(name).to_string();
        options::refuse_on_variant(&variant.attrs, errors);
        let Fed { bindings, feeds, words } = Fed::new(krate, &variant.fields, used, errors);
        sums.push(words);
        quote! {
            Self::#name { #bindings } => {
                #krate::CacheKey::cache_key(#text, __cachekit_writer);
                #(#feeds)*
            }
        }
    });
    let arms: Vec<TokenStream> = arms.collect();
    // Of the variants the longest, behind its name.
    let sums: Option<Vec<TokenStream>> = sums.into_iter().collect();
    let words = sums.map(|sums| {
        quote!({
            let (mut longest, sums) = (0, [#(#sums),*]);
            let mut at = 0;
            while at < sums.len() {
                if sums[at] > longest {
                    longest = sums[at];
                }
                at += 1;
            }
            <::core::primitive::str as #krate::CacheKey>::WORDS.saturating_add(longest)
        })
    });
    (quote!(match self { #(#arms)* }), words)
}

/// The fields of a struct or a variant that are fed, each bound to a name.
struct Fed {
    bindings: TokenStream,
    feeds: Vec<TokenStream>,
    /// How many words they are, if each of them is a primitive.
    words: Option<TokenStream>,
}

impl Fed {
    fn new(krate: &Path, fields: &Fields, used: &mut bounds::Used, errors: &Errors) -> Self {
        let mut bindings = TokenStream::new();
        let mut feeds = Vec::new();
        let mut words = Some(quote!(0));
        for (index, (member, field)) in fields.members().zip(fields).enumerate() {
            let way = FieldWay::parse(&field.attrs, errors);
            if way == FieldWay::Skipped {
                continue;
            }
            used.visit(&field.ty, way);
            let name = format_ident!("__cachekit_{index}", span = Span::mixed_site());
            bindings.extend(quote!(#member: #name,));
            feeds.push(feed(krate, &name, way, located(field.ty.span())));
            words = words.filter(|_| way == FieldWay::ByType && is_primitive(&field.ty)).map(|sum| {
                let ty = &field.ty;
                quote!(<#ty as #krate::CacheKey>::WORDS.saturating_add(#sum))
            });
        }
        bindings.extend(quote!(..));
        Self { bindings, feeds, words }
    }
}

/// Whether a type is a primitive one by its name, or a borrow of one. Other types may have no `CacheKey`, or contain the one that is
/// derived for.
fn is_primitive(ty: &Type) -> bool {
    const NAMES: [&str; 17] = [
        "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "f32", "f64",
        "bool", "char", "str",
    ];
    match ty {
        Type::Path(path) => path.path.get_ident().is_some_and(|ident| NAMES.iter().any(|name| ident == name)),
        Type::Reference(reference) => is_primitive(&reference.elem),
        _ => false,
    }
}

/// A field enters like an argument does.
fn feed(krate: &Path, name: &syn::Ident, way: FieldWay, span: Span) -> TokenStream {
    let private: Path = parse_quote!(#krate::__private);
    let start = match way {
        FieldWay::Hash => "arg_hash",
        FieldWay::Debug => "arg_debug",
        FieldWay::ByType | FieldWay::Skipped => "arg",
    };
    let start = syn::Ident::new(start, span);
    let method = syn::Ident::new("__cachekit_part", span);
    quote_spanned!(span=> #private::KeyPart::feed(&#private::#start(#name).#method(), __cachekit_writer);)
}

#[cfg(test)]
mod tests {
    fn of(source: &str) -> String {
        super::expand(syn::parse_str(source).expect("an item")).to_string().replace(' ', "")
    }

    #[test]
    fn fields_are_fed_in_order_and_skipped_ones_are_not() {
        let text = of("struct S { a: u8, #[cache_key(skip)] b: u8, c: u8 }");
        assert!(text.contains("letSelf{a:__cachekit_0,c:__cachekit_2,..}=self;"), "{text}");
        assert!(!text.contains("__cachekit_1"), "{text}");
    }

    #[test]
    fn variants_are_told_apart_by_name_and_parameters_are_bound() {
        let text = of("enum E<T: Clone, const N: usize> { A(T), B { x: u8 }, r#C }");
        assert!(
            text.contains(
                "Self::A{0:__cachekit_0,..}=>{::cachekit::CacheKey::cache_key(\"A\",__cachekit_writer);"
            ),
            "{text}"
        );
        assert!(
            text.contains(
                "impl<T:Clone,constN:usize>::cachekit::CacheKeyforE<T,N>whereT:::cachekit::CacheKey{"
            ),
            "{text}"
        );
        assert!(text.contains("cache_key(\"C\""), "{text}");
        assert!(of("enum E {}").contains("match*self{}"));
    }

    #[test]
    fn a_type_of_primitives_is_words_and_any_other_is_not() {
        let is_words = |source: &str| of(source).contains("constWORDS");
        for words in [
            "struct S;",
            "struct S { a: u64, #[cache_key(skip)] b: Vec<u8> }",
            "struct S<'a>(&'a str, &'a u8, f64);",
            "enum E { A, B(u8, bool), C { x: i128 } }",
        ] {
            assert!(is_words(words), "{words}");
        }
        for other in [
            "struct S<T> { a: u64, b: T }",
            "struct S { a: Option<Box<S>> }",
            "struct S { a: String }",
            "struct S { #[cache_key(hash)] a: u64 }",
            "enum E { A, B(Vec<u8>) }",
            "enum E {}",
        ] {
            assert!(!is_words(other), "{other}");
        }
    }

    #[test]
    fn bounds_are_those_of_the_fields_that_are_fed() {
        let bounds = |source: &str| {
            let text = of(source);
            let (_, rest) = text.split_once("CacheKeyforS<").expect("an impl");
            rest[rest.find('>').map_or(0, |at| at + 1)..rest.find('{').unwrap_or(0)]
                .replace("::cachekit::", "")
        };
        assert_eq!(bounds("struct S<T> { #[cache_key(skip)] a: T, b: u8 }"), "");
        assert_eq!(bounds("struct S<T> { a: PhantomData<T>, b: u8 }"), "");
        assert_eq!(bounds("struct S<A, B> { a: Vec<(A, u8)>, #[cache_key(skip)] b: B }"), "whereA:CacheKey");
        assert_eq!(bounds("struct S<T: Has> { a: T::Id, b: Option<Box<S<T>>> }"), "whereT::Id:CacheKey");
        assert_eq!(bounds("struct S<T: Has> { a: Option<T::Id> }"), "whereT::Id:CacheKey");
        assert_eq!(
            bounds("struct S<T: Has> { a: <T as Has>::Id, b: T }"),
            "whereT:CacheKey,<TasHas>::Id:CacheKey"
        );
        assert_eq!(
            bounds("struct S<A, B> { #[cache_key(hash)] a: A, #[cache_key(debug)] b: B }"),
            "whereA:::core::hash::Hash,B:::core::fmt::Debug"
        );
        assert_eq!(bounds("#[cache_key(bound = \"\")] struct S<T> { a: T }"), "");
        assert_eq!(
            bounds("#[cache_key(bound = \"T: Copy, u8: Into<T>\")] struct S<T> { a: T }"),
            "whereT:Copy,u8:Into<T>"
        );
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let text = of("struct S { #[cache_key(ignore)] a: u8, #[cache_key(skp)] b: u8 }");
        assert_eq!(text.matches("compile_error").count(), 2, "{text}");
        assert!(of("union U { a: u8 }").contains("whichofitsfieldsisset"));
        assert!(of("#[cache_key(skip)] struct S;").contains("goesonafield"));
        assert!(of("#[cache_key(bound = 1)] struct S;").contains("expectedstringliteral"));
        assert!(of("struct S { #[cache_key(skip, hash)] a: u8 }").contains("oneof"));
        assert!(
            of("#[cache_key(crate = facade::cachekit)] struct S;")
                .contains("implfacade::cachekit::CacheKeyforS")
        );
    }
}
