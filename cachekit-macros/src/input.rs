//! The item under the attribute, taken apart no further than needed: the body stays tokens.

use proc_macro2::{Group, TokenStream, TokenTree};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Signature, Token, Visibility};

/// A function with a body.
pub(crate) struct Input {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) body: Group,
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis: Visibility = input.parse()?;
        refuse_other_items(input)?;
        let sig: Signature = input.parse()?;
        if input.peek(Token![;]) {
            return Err(syn::Error::new(
                sig.ident.span(),
                "this method has no body: put the attribute on the implementations, or give the \
                 trait a default method",
            ));
        }
        match input.parse()? {
            TokenTree::Group(body) => Ok(Self { attrs, vis, sig, body }),
            other => Err(syn::Error::new(other.span(), "expected the function's body")),
        }
    }
}

/// One error that names the item, instead of "expected `fn`".
fn refuse_other_items(input: ParseStream<'_>) -> syn::Result<()> {
    let ahead = input.fork();
    while !ahead.is_empty() {
        match ahead.parse()? {
            TokenTree::Ident(word) => {
                let what = match word.to_string().as_str() {
                    "fn" => return Ok(()),
                    "struct" => "a struct",
                    "enum" => "an enum",
                    "union" => "a union",
                    "impl" => "an impl block: put it on the methods inside",
                    "trait" => {
                        "a trait: put it on the default methods inside, or on the methods of the implementations"
                    }
                    "mod" => "a module: put it on the functions inside",
                    "use" => "a `use` declaration",
                    "static" => "a static",
                    "type" => "a type alias",
                    "let" => "a statement",
                    "macro_rules" => "a macro",
                    _ => continue,
                };
                let message = format!("this attribute is for functions, and this is {what}");
                return Err(syn::Error::new(word.span(), message));
            }
            TokenTree::Literal(_) => {}
            other => {
                return Err(syn::Error::new(other.span(), "this attribute is for functions: expected `fn`"));
            }
        }
    }
    Err(ahead.error("this attribute is for functions: expected `fn`"))
}

/// Returns whether it is `#[memoize]` or `#[cached]`.
pub(crate) fn is_ours(attr: &Attribute) -> bool {
    attr.path().segments.last().is_some_and(|last| last.ident == "memoize" || last.ident == "cached")
}

/// Returns whether `Self` stands in these tokens, other than in an `impl` or `trait` block within them.
pub(crate) fn mentions_self(tokens: TokenStream) -> bool {
    let mut nested = false;
    for token in tokens {
        match token {
            TokenTree::Ident(word) if word == "Self" => return true,
            TokenTree::Ident(word) if word == "impl" || word == "trait" => nested = true,
            TokenTree::Group(group) if group.delimiter() == proc_macro2::Delimiter::Brace && nested => {
                nested = false;
            }
            TokenTree::Punct(punct) if matches!(punct.as_char(), ';' | ',') => nested = false,
            TokenTree::Group(group) if mentions_self(group.stream()) => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{Input, mentions_self};

    #[test]
    fn other_items_are_named() {
        for (source, what) in [
            ("struct S;", "a struct"),
            ("pub enum E {}", "an enum"),
            ("impl S { fn f() {} }", "an impl block"),
            ("unsafe impl S {}", "an impl block"),
            ("mod m {}", "a module"),
            ("static S: u8 = 1;", "a static"),
            ("let x = 1;", "a statement"),
            ("fn f(&self);", "no body"),
        ] {
            let error = syn::parse_str::<Input>(source).err().expect(source).to_string();
            assert!(error.contains(what), "{source}: {error}");
        }
    }

    #[test]
    fn self_counts_outside_of_nested_items_only() {
        for (source, expected) in [
            ("{ Self::new() }", true),
            ("{ f(|| Self { x }) }", true),
            ("{ struct S; impl S { fn new() -> Self { S } } S::new() }", false),
            ("{ fn g(x: impl Fn()) {} let s: Self = x; }", true),
            ("{ self_like() }", false),
        ] {
            assert_eq!(mentions_self(source.parse().expect("tokens")), expected, "{source}");
        }
    }
}
