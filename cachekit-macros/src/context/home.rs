//! The impl block of a trait around a method, and whether an inherent impl of the same type can stand beside it: that is where
//! the method's hidden siblings go, for the block itself has no room for them.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens as _, quote};
use syn::{Generics, ItemImpl, Path, Type};

use super::scanner::{Implementation, Source};

/// An inherent impl block for the type of a trait's impl block.
#[derive(Clone)]
pub(crate) struct Home {
    pub(crate) generics: Generics,
    pub(crate) self_ty: Type,
    interface: Path,
    /// The associated types that the trait's block gives.
    types: Vec<String>,
    is_enum: bool,
}

impl Home {
    /// Returns the home of a method; `None` where the compiler would refuse it, or may.
    pub(super) fn of(implementation: &Implementation<'_>, source: &Source) -> Option<Self> {
        let parsed = block(implementation.header)?;
        let (interface, _) = parsed.trait_.clone()?;
        let Type::Path(path) = &*parsed.self_ty else { return None };
        let last = path.path.segments.last()?.ident.to_string();
        let first = path.path.segments.first()?.ident.to_string();
        let declared = source.declares(&last);
        // A type of another crate can't have one.
        let own = declared.is_some()
            || matches!(first.as_str(), "crate" | "self" | "super")
            || source.uses_own(&first);
        let ty = parsed.self_ty.to_token_stream();
        let constrained = parsed.generics.params.iter().all(|parameter| {
            let name = match parameter {
                syn::GenericParam::Type(parameter) => &parameter.ident,
                syn::GenericParam::Const(parameter) => &parameter.ident,
                syn::GenericParam::Lifetime(parameter) => &parameter.lifetime.ident,
            };
            mentions(ty.clone(), name)
        });
        let twice = implementation.others.iter().any(|other| may_be_for(other, &parsed, &last));
        (path.qself.is_none() && own && constrained && !twice).then(|| Self {
            interface,
            types: implementation.types.to_vec(),
            is_enum: declared == Some(true),
            generics: parsed.generics,
            self_ty: *parsed.self_ty,
        })
    }

    /// Writes `<Self as Trait>::Type` for `Self::Type`, which an inherent impl doesn't know; `None` where that takes more than
    /// the source file tells: a type of a trait that is above this one.
    pub(crate) fn qualified(&self, tokens: TokenStream) -> Option<TokenStream> {
        let mut before: Vec<TokenTree> = Vec::new();
        for token in tokens {
            let token = match token {
                TokenTree::Group(group) => {
                    let mut inner = Group::new(group.delimiter(), self.qualified(group.stream())?);
                    inner.set_span(group.span());
                    inner.into()
                }
                TokenTree::Ident(name) if is_of_self(&before) && self.is_type(&name)? => {
                    let (this, interface) = (before.len() - 3, &self.interface);
                    let word = before[this].clone();
                    let colons: Vec<_> = before.drain(this..).skip(1).collect();
                    before.extend(quote!(<#word as #interface>));
                    before.extend(colons);
                    name.into()
                }
                other => other,
            };
            before.push(token);
        }
        Some(before.into_iter().collect())
    }

    /// Whether `Self::name` is one of the block's types; `None` if it may be that of another trait.
    fn is_type(&self, name: &Ident) -> Option<bool> {
        let text = name.to_string();
        if self.types.contains(&text) {
            return Some(true);
        }
        let like_a_type = text.starts_with(char::is_uppercase)
            && (text.len() == 1 || text.contains(|c: char| c.is_lowercase()));
        (self.is_enum || !like_a_type).then_some(false)
    }
}

fn block(header: &str) -> Option<ItemImpl> {
    let mut tokens: TokenStream = header.parse().ok()?;
    tokens.extend([TokenTree::from(Group::new(Delimiter::Brace, TokenStream::new()))]);
    syn::parse2(tokens).ok()
}

/// Whether another block may be for the same types, so that two siblings of one name would meet.
fn may_be_for(header: &str, this: &ItemImpl, name: &str) -> bool {
    let Some(other) = block(header) else { return true };
    let (mine, others) = (this.self_ty.to_token_stream(), other.self_ty.to_token_stream());
    let generic = !this.generics.params.is_empty() || !other.generics.params.is_empty();
    mine.to_string() == others.to_string()
        || generic && mentions(others, &Ident::new(name, Span::call_site()))
}

fn mentions(tokens: TokenStream, name: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(word) => word == *name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        _ => false,
    })
}

/// Whether these tokens end with `Self::`.
fn is_of_self(tokens: &[TokenTree]) -> bool {
    let colon = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':');
    match tokens {
        [.., TokenTree::Ident(this), first, second] => this == "Self" && colon(first) && colon(second),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(source: &str) -> Option<Home> {
        let at = source.find("HERE").expect("a place");
        let source = Source::new(source.to_owned());
        let implementation = source.implementation(at, "HERE")?;
        Home::of(&implementation, &source)
    }

    #[test]
    fn a_type_of_this_crate_has_room_beside_the_block() {
        for (source, expected) in [
            ("struct S; impl T for S { fn HERE() {} }", true),
            ("enum S<T> { A(T) } impl<T: Clone> m::T<u8> for S<T> where T: X { fn HERE() {} }", true),
            ("struct S<'a>(&'a u8); impl T for S<'_> { fn HERE() {} }", true),
            ("use crate::m::{A, S}; impl T for S { fn HERE() {} }", true),
            ("impl T for super::S { fn HERE() {} }", true),
            ("use std::S; impl T for S { fn HERE() {} }", false),
            ("impl T for u8 { fn HERE() {} }", false),
            ("impl<S> T for S { fn HERE() {} }", false),
            ("struct S; impl T for &S { fn HERE() {} }", false),
            ("struct S; impl T for Box<S> { fn HERE() {} }", false),
            // A parameter of the trait alone.
            ("struct S; impl<A> T<A> for S { fn HERE() {} }", false),
            // Two methods of one name would have siblings of one name.
            ("struct S; impl A for S { fn HERE() {} } impl B for S { fn HERE() {} }", false),
            ("struct S; impl A for S { fn HERE() {} } impl S { fn HERE() {} }", false),
            ("struct S; impl A for S { fn HERE() {} } impl B for S { fn other() {} }", true),
            ("struct S<T>(T); impl A for S<u8> { fn HERE() {} } impl A for S<u16> { fn HERE() {} }", true),
            ("struct S<T>(T); impl A for S<u8> { fn HERE() {} } impl<T> B for S<T> { fn HERE() {} }", false),
        ] {
            assert_eq!(home(source).is_some(), expected, "{source}");
        }
    }

    #[test]
    fn associated_types_are_those_of_the_trait() {
        let of = |header: &str, tokens: &str| {
            let home = home(&format!("{header} {{ type Out = u8; fn HERE() {{}} }}")).expect("a home");
            let qualified = home.qualified(tokens.parse().expect("tokens"));
            qualified.map(|tokens| tokens.to_string().replace(' ', ""))
        };
        let plain = "struct S; impl T<u8> for S";
        assert_eq!(of(plain, "f(Self::Out::new())").as_deref(), Some("f(<SelfasT<u8>>::Out::new())"));
        assert_eq!(of(plain, "Self::new(Self::MAX)").as_deref(), Some("Self::new(Self::MAX)"));
        assert_eq!(of(plain, "Self::Item::new()"), None);
        assert_eq!(of("enum S {} impl T for S", "Self::Empty").as_deref(), Some("Self::Empty"));
    }
}
