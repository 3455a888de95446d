//! The list itself. Each function adds its record when the program or a dynamic library is loaded, by a pointer that the
//! linker puts among the initializers: no code of the user's runs then. Where there are none (WebAssembly) the list is
//! empty, and a repeated identity is noticed when the second function is called.

use std::sync::OnceLock;

use parking_lot::Mutex;

use super::Declared;

pub use crate::__cachekit_site as site;

/// Declares the site of a function, and puts it on the list.
///
/// The `unsafe` is that of the attribute: a wrong section would be undefined behaviour. `forbid(unsafe_code)` in the
/// user's crate doesn't concern what another crate's macros emit. There is no `unsafe` block, because clippy looks for
/// those in the methods of types that derive `Deserialize`.
#[doc(hidden)]
#[macro_export]
macro_rules! __cachekit_site {
    ($($field:ident: $value:expr),* $(,)?) => {
        static __CACHEKIT_SITE: $crate::__private::Site = $crate::__private::Site::new($crate::__private::Declared {
            $($field: $value,)*
            module: ::core::module_path!(),
            package: ::core::option_env!("CARGO_PKG_VERSION"),
            file: ::core::file!(),
            line: ::core::line!(),
            column: ::core::column!(),
        });

        extern "C" fn __cachekit_list() {
            __CACHEKIT_SITE.list();
        }

        #[used]
        #[cfg_attr(
            any(
                target_os = "linux",
                target_os = "android",
                target_os = "dragonfly",
                target_os = "freebsd",
                target_os = "fuchsia",
                target_os = "haiku",
                target_os = "illumos",
                target_os = "netbsd",
                target_os = "openbsd",
                target_os = "solaris",
            ),
            unsafe(link_section = ".init_array")
        )]
        #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func,mod_init_funcs"))]
        #[cfg_attr(windows, unsafe(link_section = ".CRT$XCU"))]
        static __CACHEKIT_LISTED: extern "C" fn() = __cachekit_list;
    };
}

/// Whether this platform has initializers, so that the list is whole.
pub(crate) const IS_WHOLE: bool = cfg!(any(
    target_os = "linux",
    target_os = "android",
    target_os = "dragonfly",
    target_os = "freebsd",
    target_os = "fuchsia",
    target_os = "haiku",
    target_os = "illumos",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "solaris",
    target_vendor = "apple",
    windows,
));

/// A record that can be on the list.
pub(crate) struct Listed {
    pub(crate) declared: Declared,
    next: OnceLock<Option<&'static Listed>>,
}

static FIRST: Mutex<Option<&'static Listed>> = Mutex::new(None);

impl Listed {
    pub(crate) const fn new(declared: Declared) -> Self {
        Self { declared, next: OnceLock::new() }
    }

    /// Puts it on the list. Neither allocates nor panics: it runs before `main`.
    pub(crate) fn list(&'static self) {
        let mut first = FIRST.lock();
        if self.next.set(*first).is_ok() {
            *first = Some(self);
        }
    }
}

/// Every function on the list, in no particular order.
pub(super) fn all() -> impl Iterator<Item = &'static Declared> + Clone {
    let first = *FIRST.lock();
    std::iter::successors(first, |listed| listed.next.get().copied().flatten()).map(|listed| &listed.declared)
}
