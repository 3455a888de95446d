//! `#[derive(CacheKey)]`.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Attribute, Data, DeriveInput, Fields, Member, Path, parse_quote};

use crate::errors::Errors;
use crate::model::located;

/// The implementation of `CacheKey`, which feeds the fields in their order, after the name of an enum's variant.
pub(crate) fn expand(input: DeriveInput) -> TokenStream {
    let errors = Errors::new();
    let krate = container_path(&input.attrs, &errors);
    let body = match &input.data {
        Data::Struct(data) => {
            let pattern = Bound::new(&data.fields, &errors);
            let Bound { bindings, feeds } = &pattern;
            let feeds = feeds.iter().map(|field| feed(&krate, field));
            quote! {
                let Self { #bindings } = self;
                #(#feeds)*
            }
        }
        Data::Enum(data) if data.variants.is_empty() => quote!(match *self {}),
        Data::Enum(data) => {
            let arms = data.variants.iter().map(|variant| {
                let name = &variant.ident;
                // The name and not the position, so that reordering the variants changes no key.
                let text = syn::ext::IdentExt::unraw(name).to_string();
                skip(&variant.attrs, &errors, false);
                let Bound { bindings, feeds } = Bound::new(&variant.fields, &errors);
                let feeds = feeds.iter().map(|field| feed(&krate, field));
                quote! {
                    Self::#name { #bindings } => {
                        #krate::CacheKey::cache_key(#text, __cachekit_writer);
                        #(#feeds)*
                    }
                }
            });
            let arms: Vec<TokenStream> = arms.collect();
            quote!(match self { #(#arms)* })
        }
        Data::Union(data) => {
            errors.over(
                data.union_token,
                "a union can't be part of a key: nobody knows which of its fields is set; implement \
                 `CacheKey` by hand",
            );
            TokenStream::new()
        }
    };
    if let Some(errors) = errors.finish() {
        return errors;
    }
    let DeriveInput { ident, mut generics, .. } = input;
    for parameter in generics.type_params_mut() {
        parameter.bounds.push(parse_quote!(#krate::CacheKey));
    }
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #impl_generics #krate::CacheKey for #ident #type_generics #where_clause {
            #[allow(unused_imports, unused_variables)]
            fn cache_key<__CachekitWriter: #krate::KeyWriter>(&self, __cachekit_writer: &mut __CachekitWriter) {
                #body
            }
        }
    }
}

/// The fields of a struct or a variant that are fed, each bound to a name.
struct Bound {
    bindings: TokenStream,
    feeds: Vec<(syn::Ident, Span)>,
}

impl Bound {
    fn new(fields: &Fields, errors: &Errors) -> Self {
        let mut bindings = TokenStream::new();
        let mut feeds = Vec::new();
        for (index, (member, field)) in fields.members().zip(fields).enumerate() {
            if skip(&field.attrs, errors, true) {
                continue;
            }
            let member: Member = member;
            let name = format_ident!("__cachekit_{index}", span = Span::mixed_site());
            bindings.extend(quote!(#member: #name,));
            feeds.push((name, located(field.ty.span())));
        }
        bindings.extend(quote!(..));
        Self { bindings, feeds }
    }
}

/// A field enters like an argument does: by `CacheKey`, else by `Hash`, else by `Debug`.
fn feed(krate: &Path, (name, span): &(syn::Ident, Span)) -> TokenStream {
    let method = syn::Ident::new("__cachekit_part", *span);
    quote_spanned! {*span=>
        #krate::__private::KeyPart::feed(&#krate::__private::arg(#name).#method(), __cachekit_writer);
    }
}

/// `#[cache_key(crate = path)]` on the type.
fn container_path(attrs: &[Attribute], errors: &Errors) -> Path {
    let mut krate: Path = parse_quote!(::cachekit);
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("cache_key")) {
        let parsed = attr.parse_nested_meta(|meta| {
            if meta.path.is_ident("crate") {
                let value = meta.value()?;
                krate = if value.peek(syn::LitStr) {
                    value.parse::<syn::LitStr>()?.parse()?
                } else {
                    value.parse()?
                };
                return Ok(());
            }
            let hint = if meta.path.is_ident("skip") { "`skip` goes on a field" } else { "unknown option" };
            Err(meta.error(format!("{hint}: on a type, write `#[cache_key(crate = path)]`")))
        });
        if let Err(error) = parsed {
            errors.push(error);
        }
    }
    krate
}

/// Whether there is `#[cache_key(skip)]`.
fn skip(attrs: &[Attribute], errors: &Errors, allowed: bool) -> bool {
    let mut skip = false;
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("cache_key")) {
        let parsed = attr.parse_nested_meta(|meta| {
            if !allowed {
                return Err(meta.error(
                    "a variant can't be left out: its values would be one key; put \
                    `#[cache_key(skip)]` on its fields",
                ));
            }
            if !meta.path.is_ident("skip") {
                return Err(meta.error("unknown option: on a field, write `#[cache_key(skip)]`"));
            }
            skip = true;
            Ok(())
        });
        if let Err(error) = parsed {
            errors.push(error);
        }
    }
    skip
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
            text.contains("impl<T:Clone+::cachekit::CacheKey,constN:usize>::cachekit::CacheKeyforE<T,N>"),
            "{text}"
        );
        assert!(text.contains("cache_key(\"C\""), "{text}");
        assert!(of("enum E {}").contains("match*self{}"));
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let text = of("struct S { #[cache_key(ignore)] a: u8, #[cache_key(skp)] b: u8 }");
        assert_eq!(text.matches("compile_error").count(), 2, "{text}");
        assert!(of("union U { a: u8 }").contains("whichofitsfieldsisset"));
        assert!(of("#[cache_key(skip)] struct S;").contains("goesonafield"));
        assert!(
            of("#[cache_key(crate = facade::cachekit)] struct S;")
                .contains("implfacade::cachekit::CacheKeyforS")
        );
    }
}
