/// A list of servers, made from a list or from text with commas.
///
/// A list or a text without any server is one that was left blank by mistake, not the default: `validate` refuses it.
///
/// ```
/// use cachekit_backends::Servers;
///
/// let list = Servers::from(["a:11211", "b:11211"]);
/// assert_eq!(list, Servers::from("a:11211, b:11211"));
/// assert_eq!(list, Servers::from(&String::from("a:11211,b:11211")));
/// assert_eq!(list, Servers::from(vec!["a:11211".to_string(), "b:11211".to_string()]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Servers(Vec<String>);

impl From<Servers> for Vec<String> {
    fn from(servers: Servers) -> Self {
        servers.0
    }
}

impl Servers {
    /// Whether no server is named.
    pub(super) fn names_none(&self) -> bool {
        self.0.iter().all(String::is_empty)
    }
}

impl From<&str> for Servers {
    fn from(text: &str) -> Self {
        text.split(',').map(str::trim).filter(|server| !server.is_empty()).collect()
    }
}

impl From<&String> for Servers {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl<S: AsRef<str>> From<&Vec<S>> for Servers {
    fn from(list: &Vec<S>) -> Self {
        list.as_slice().into()
    }
}

impl From<String> for Servers {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl<S: Into<String>> From<Vec<S>> for Servers {
    fn from(list: Vec<S>) -> Self {
        list.into_iter().collect()
    }
}

impl<S: Into<String>, const N: usize> From<[S; N]> for Servers {
    fn from(list: [S; N]) -> Self {
        list.into_iter().collect()
    }
}

impl<S: AsRef<str>> From<&[S]> for Servers {
    fn from(list: &[S]) -> Self {
        list.iter().map(AsRef::as_ref).collect()
    }
}

impl<S: Into<String>> FromIterator<S> for Servers {
    fn from_iter<I: IntoIterator<Item = S>>(list: I) -> Self {
        let mut list: Vec<String> = list.into_iter().map(Into::into).collect();
        if list.is_empty() {
            // A server without a name, because an empty list is that of a configuration which says nothing.
            list.push(String::new());
        }
        Self(list)
    }
}
