//! The extractors of axum that a view may take.

use axum::extract::{NestedPath, OriginalUri, Path, Query, RawPathParams, RawQuery, State};
use http::{Method, Uri};

use crate::call::view_argument::ViewArgument;

/// Extractors that go into the key by the value inside of them, and those whose value has a form of its own.
macro_rules! arguments {
    ($($name:ident $(<$t:ident>)?, $key:ty: |$this:ident| $value:expr;)*) => {$(
        impl $(<$t>)? ViewArgument for $name $(<$t>)? {
            type Key<'a> = $key where Self: 'a;

            fn view_key(&self) -> Self::Key<'_> {
                let $this = self;
                $value
            }
        }
    )*};
}

arguments! {
    Path<T>, &'a T: |this| &this.0;
    Query<T>, &'a T: |this| &this.0;
    // The same for all requests.
    State<T>, (): |_this| ();
    RawQuery, Option<&'a str>: |this| this.0.as_deref();
    RawPathParams, Vec<(&'a str, &'a str)>: |this| this.iter().collect();
    NestedPath, &'a str: |this| this.as_str();
    Method, &'a str: |this| this.as_str();
    // By their text: `Uri` compares hosts without their case, which a handler can see.
    Uri, String: |this| this.to_string();
    OriginalUri, String: |this| this.0.to_string();
}
