//! Whether an expression uses an argument: a view's argument that its key uses need not be named.

use proc_macro2::{Ident, Spacing, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Expr, ExprPath, Macro, PatIdent};

/// Whether an expression uses the binding of a name. Fields, methods, modules and texts of that name are no use of it, and an
/// expression that binds the name itself may mean its own binding.
pub(crate) fn mentions(expression: &Expr, name: &Ident) -> bool {
    let mut uses = Uses { name, used: false, bound: false };
    uses.visit_expr(expression);
    uses.used && !uses.bound
}

struct Uses<'n> {
    name: &'n Ident,
    used: bool,
    /// The expression binds the name: by a closure, `let`, `match` or an argument of `format!`.
    bound: bool,
}

impl<'ast> Visit<'ast> for Uses<'_> {
    fn visit_expr_path(&mut self, path: &'ast ExprPath) {
        self.used |= path.qself.is_none() && path.path.is_ident(self.name);
        visit::visit_expr_path(self, path);
    }

    fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
        self.bound |= pattern.ident == *self.name;
        visit::visit_pat_ident(self, pattern);
    }

    fn visit_macro(&mut self, invocation: &'ast Macro) {
        let first_text = invocation.tokens.clone().into_iter().find_map(|token| match token {
            TokenTree::Literal(literal) => syn::parse_str::<syn::LitStr>(&literal.to_string()).ok(),
            _ => None,
        });
        self.used |= first_text.is_some_and(|text| formats(&text.value(), self.name));
        self.tokens(invocation.tokens.clone());
    }
}

impl Uses<'_> {
    /// Looks through the tokens of a macro, whose grammar isn't known.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        for (index, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(ident) if ident == self.name => {
                    let (before, after) = tokens.split_at(index);
                    self.name_between(before, after.get(1..).unwrap_or_default());
                }
                _ => {}
            }
        }
    }

    fn name_between(&mut self, before: &[TokenTree], after: &[TokenTree]) {
        let field =
            is(before.last(), '.') && !before.split_last().is_some_and(|(_, rest)| is(rest.last(), '.'));
        // `path::name`, `name::path`, `name: value`.
        let path_or_label = is(before.last(), ':') || is(after.first(), ':');
        let assigned = matches!(after.first(), Some(TokenTree::Punct(sign))
            if sign.as_char() == '=' && sign.spacing() == Spacing::Alone);
        let declared = matches!(before.last(), Some(TokenTree::Ident(word)) if word == "let" || word == "mut")
            || is(before.last(), '|') && is(after.first(), '|');
        self.bound |= assigned || declared;
        self.used |= !(field || path_or_label || assigned || declared);
    }
}

fn is(token: Option<&TokenTree>, sign: char) -> bool {
    matches!(token, Some(TokenTree::Punct(found)) if found.as_char() == sign)
}

/// Whether a text that is formatted takes a name in: `{name}`, `{name:?}`.
pub(crate) fn formats(text: &str, name: &Ident) -> bool {
    // Doubled braces stand for themselves.
    let text = text.replace("{{", "").replace("}}", "");
    text.contains(&format!("{{{name}}}")) || text.contains(&format!("{{{name}:"))
}

#[cfg(test)]
mod tests {
    use super::mentions;

    #[test]
    fn a_use_of_the_binding_counts_and_nothing_else_of_its_name() {
        let user = syn::parse_str("user").unwrap();
        for (source, expected) in [
            ("user", true),
            ("user.plan", true),
            ("(1, &user.plan)", true),
            ("plan_of(&user)", true),
            ("S { user }", true),
            ("S { id: user.id }", true),
            ("[user.0; 2]", true),
            ("list.iter().map(|x| x + user.id).sum::<u8>()", true),
            ("format!(\"{user}\")", true),
            ("format!(\"{user:?}\")", true),
            ("format!(\"{}\", user.plan)", true),
            ("format!(\"{}\", a == user)", true),
            ("matches!(user.plan, Plan::Free)", true),
            ("vec![0..user]", true),
            ("format!(\"{{{user}}}\")", true),
            // Another thing of that name.
            ("page.user", false),
            ("page.user()", false),
            ("user::name()", false),
            ("other::user", false),
            ("S { user: 1 }", false),
            ("\"user\"", false),
            ("\"{user}\"", false),
            ("format!(\"{}\", page.user)", false),
            ("format!(\"{}\", page.user())", false),
            ("format!(\"{}\", user::name())", false),
            ("format!(\"{}\", S { user: 1 })", false),
            ("format!(\"{{user}}\")", false),
            ("format!(\"{}\", \"{user}\")", false),
            // A binding of its own.
            ("{ let user = 1; user }", false),
            ("Some(1).map(|user| user + 1)", false),
            ("match page { Page { user } => user }", false),
            ("format!(\"{user}\", user = 3)", false),
            ("format!(\"{}\", Some(1).map(|user| user + 1))", false),
        ] {
            let expression = syn::parse_str(source).unwrap();
            assert_eq!(mentions(&expression, &user), expected, "{source}");
        }
    }
}
