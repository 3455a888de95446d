//! The bounds of a derived implementation: on the type parameters, and their associated types, that occur in fields which are
//! fed. `PhantomData` asks nothing of its parameter, and the type itself, where it is recursive, nothing more than it asks.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{GenericParam, Generics, Ident, Path, Token, Type, TypePath, WherePredicate, parse_quote};

use super::options::FieldWay;

/// The generic parameters that fields use.
pub(super) struct Used {
    own: Ident,
    parameters: Vec<Ident>,
    /// Parameters and associated types, each with the way of a field that it occurs in; first parameters.
    found: Vec<(TypePath, FieldWay)>,
}

impl Used {
    pub(super) fn of(own: &Ident, generics: &Generics) -> Self {
        let parameters = generics.params.iter().filter_map(|parameter| match parameter {
            GenericParam::Type(parameter) => Some(parameter.ident.clone()),
            _ => None,
        });
        Self { own: own.clone(), parameters: parameters.collect(), found: Vec::new() }
    }

    /// Notes what a field of this type uses.
    pub(super) fn visit(&mut self, ty: &Type, way: FieldWay) {
        Field { used: self, way }.visit_type(ty);
    }

    /// Returns the bounds of all that was found: parameters in the order of their declaration, then associated types.
    pub(super) fn predicates(self, krate: &Path) -> Punctuated<WherePredicate, Token![,]> {
        let bound = |way: FieldWay| -> TokenStream {
            match way {
                FieldWay::Hash => quote!(::core::hash::Hash),
                FieldWay::Debug => quote!(::core::fmt::Debug),
                FieldWay::ByType | FieldWay::Skipped => quote!(#krate::CacheKey),
            }
        };
        let place = |ty: &TypePath| {
            self.parameters.iter().position(|name| ty.path.is_ident(name)).unwrap_or(usize::MAX)
        };
        let mut found: Vec<_> = self.found.iter().collect();
        found.sort_by_key(|(ty, _)| place(ty));
        found
            .into_iter()
            .map(|(ty, way)| -> WherePredicate {
                let bound = bound(*way);
                parse_quote!(#ty: #bound)
            })
            .collect()
    }
}

struct Field<'u> {
    used: &'u mut Used,
    way: FieldWay,
}

impl Field<'_> {
    fn is_parameter(&self, ty: &Type) -> bool {
        let Type::Path(TypePath { qself: None, path, .. }) = ty else { return false };
        self.used.parameters.iter().any(|name| path.is_ident(name))
    }

    /// `T`, `T::Id` or `<T as Trait>::Id`.
    fn depends(&self, ty: &TypePath) -> bool {
        match (&ty.qself, ty.path.segments.first()) {
            (Some(of), _) => self.is_parameter(&of.ty),
            (None, Some(first)) if ty.path.leading_colon.is_none() => {
                self.used.parameters.contains(&first.ident)
            }
            _ => false,
        }
    }
}

impl<'ast> Visit<'ast> for Field<'_> {
    fn visit_type_path(&mut self, ty: &'ast TypePath) {
        let is_phantom = ty.path.segments.last().is_some_and(|last| last.ident == "PhantomData");
        let is_own = ty.path.segments.len() == 1 && ty.path.segments[0].ident == self.used.own;
        if is_phantom || is_own {
            return;
        }
        if !self.depends(ty) {
            visit::visit_type_path(self, ty);
            return;
        }
        let text = |ty: &TypePath| ty.to_token_stream().to_string();
        let known = |(other, way): &(TypePath, FieldWay)| *way == self.way && text(other) == text(ty);
        if !self.used.found.iter().any(known) {
            self.used.found.push((ty.clone(), self.way));
        }
    }
}
