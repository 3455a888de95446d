//! The names of types. Two types can have the same name, so a name is no identity.

/// Whether `name`, the [`type_name`](std::any::type_name) of a type, is made only of types of the language and of the
/// standard library, no two of which have one name.
pub fn is_of_std(name: &str) -> bool {
    !name.contains(['{', '}', '#']) && words(name).all(is_known)
}

/// The paths, keywords, lifetimes and numbers in a name.
fn words(name: &str) -> impl Iterator<Item = &str> {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '\'' | '"');
    name.split(move |c| !is_word(c)).filter(|word| !word.is_empty())
}

fn is_known(word: &str) -> bool {
    const WORDS: [&str; 21] = [
        "bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128",
        "isize", "f32", "f64", "dyn", "mut", "const", "fn",
    ];
    match word.split_once("::") {
        Some((root, _)) => matches!(root, "core" | "alloc" | "std"),
        None => word.starts_with(|c: char| c.is_ascii_digit() || c == '\'') || WORDS.contains(&word),
    }
}

/// Whether a type of this name is a closure, or contains one. A type that is declared inside of a closure is none.
pub fn names_closure(name: &str) -> bool {
    const CLOSURE: &str = "{{closure}}";
    name.match_indices(CLOSURE).any(|(at, _)| !name[at + CLOSURE.len()..].starts_with("::"))
}

/// Whether values of a type of this name show what differs between processes, or between builds of one program: addresses
/// of functions and of data, and the handles of the standard library that are numbers of this process. A type that hides one
/// behind its own name is not recognized.
pub(super) fn holds_address(name: &str) -> bool {
    const HANDLES: [&str; 5] = ["NonNull", "ThreadId", "TypeId", "Instant", "Discriminant"];
    name.contains("*const ")
        || name.contains("*mut ")
        || name
            .match_indices("fn(")
            .any(|(at, _)| !name[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
        || words(name)
            .filter(|word| is_known(word))
            .any(|word| HANDLES.iter().any(|handle| word.rsplit("::").next() == Some(handle)))
}
