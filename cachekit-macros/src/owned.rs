//! Whether the body of an async function owns all it needs, as far as the syntax of the signature tells.
//!
//! In doubt it does not. A path can't hide a lifetime here: the compiler refuses elided ones in the paths of an `async fn`. A
//! macro can, and a type parameter.

use syn::visit::{self, Visit};
use syn::{FnArg, GenericParam, Lifetime, ReceiverKind, Signature, Type, TypeParamBound, WherePredicate};

/// Returns whether a function is async, and its arguments and its value own what they are made of.
pub(crate) fn is_owned(sig: &Signature) -> bool {
    let parameters = sig.generics.params.iter().all(|parameter| match parameter {
        GenericParam::Lifetime(_) => false,
        GenericParam::Type(parameter) => {
            has_static(&parameter.bounds) || is_static_by_clause(sig, &parameter.ident)
        }
        GenericParam::Const(_) => true,
    });
    let arguments = sig.inputs.iter().all(|input| match input {
        FnArg::Typed(typed) => owns(&typed.ty),
        FnArg::Receiver(receiver) => match &receiver.kind {
            ReceiverKind::Value => true,
            ReceiverKind::Typed(_, ty) => owns(ty),
            _ => false,
        },
    });
    let value = match &sig.output {
        syn::ReturnType::Default => true,
        syn::ReturnType::Type(_, ty) => owns(ty),
    };
    sig.asyncness.is_some() && parameters && arguments && value
}

type Bounds = syn::punctuated::Punctuated<TypeParamBound, syn::Token![+]>;

fn has_static(bounds: &Bounds) -> bool {
    bounds.iter().any(|bound| matches!(bound, TypeParamBound::Lifetime(lifetime) if is_static(lifetime)))
}

fn is_static_by_clause(sig: &Signature, name: &syn::Ident) -> bool {
    let clauses = sig.generics.where_clause.iter().flat_map(|clause| &clause.predicates);
    clauses.into_iter().any(|clause| match clause {
        WherePredicate::Type(clause) => {
            matches!(&clause.bounded_ty, Type::Path(path) if path.path.is_ident(name))
                && has_static(&clause.bounds)
        }
        _ => false,
    })
}

pub(crate) fn is_static(lifetime: &Lifetime) -> bool {
    lifetime.ident == "static"
}

/// Whether a type borrows nothing but statics.
pub(crate) fn owns(ty: &Type) -> bool {
    let mut found = Borrows(false);
    found.visit_type(ty);
    !found.0
}

/// Whether a type borrows, or may.
struct Borrows(bool);

impl<'ast> Visit<'ast> for Borrows {
    fn visit_type_reference(&mut self, reference: &'ast syn::TypeReference) {
        self.0 |= !reference.lifetime.as_ref().is_some_and(is_static);
        visit::visit_type_reference(self, reference);
    }
    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        self.0 |= !is_static(lifetime);
    }
    fn visit_type_impl_trait(&mut self, _: &'ast syn::TypeImplTrait) {
        self.0 = true;
    }
    fn visit_type_macro(&mut self, _: &'ast syn::TypeMacro) {
        self.0 = true;
    }
    fn visit_type_infer(&mut self, _: &'ast syn::TypeInfer) {
        self.0 = true;
    }
}

#[cfg(test)]
mod tests {
    use super::is_owned;

    #[test]
    fn what_owns_its_parts_is_told_by_syntax() {
        for (source, expected) in [
            ("async fn f()", true),
            ("async fn f(n: u64, name: String, all: Vec<Option<u8>>) -> Result<String, Error>", true),
            ("async fn f(name: &'static str, shared: Arc<dyn Trait>, call: fn(u8) -> u8)", true),
            ("async fn f<T: Clone + 'static>(value: T)", true),
            ("async fn f<T>(value: T) where T: Clone, T: 'static", true),
            ("async fn f<const N: usize>(value: [u8; N])", true),
            ("async fn f(self, Path(id): Path<u32>)", true),
            ("async fn f(self: Arc<Self>)", true),
            ("fn f(n: u64)", false),
            ("async fn f(name: &str)", false),
            ("async fn f(all: Vec<&str>)", false),
            ("async fn f(name: Cow<'_, str>)", false),
            ("async fn f<'a>(name: Name<'a>)", false),
            ("async fn f<'a>(n: u8) -> u8 where u8: 'a", false),
            ("async fn f(value: impl Clone)", false),
            ("async fn f(value: Box<dyn Trait + '_>)", false),
            ("async fn f<T>(value: T)", false),
            ("async fn f<T: Clone>(value: T) where Vec<T>: 'static", false),
            ("async fn f(value: kind!())", false),
            ("async fn f(call: fn(&str) -> u8)", false),
            ("async fn f(&self)", false),
            ("async fn f(self: &Arc<Self>)", false),
            ("async fn f(self: Pin<&Self>)", false),
        ] {
            assert_eq!(is_owned(&syn::parse_str(source).expect(source)), expected, "{source}");
        }
    }
}
