//! The form of the keys of versions, by which a store can tell them from entries.

const MARK: &str = "#version";

/// The key of a function's version, or of an instance's: `function#version` and `function#version:instance`.
pub fn version_key(function: &str, instance: Option<&str>) -> String {
    match instance {
        None => [function, MARK].concat(),
        Some(instance) => [function, MARK, ":", instance].concat(),
    }
}

/// Whether a key has the form of a version's. A store may keep such keys apart, because all entries of a function or of an
/// instance are lost with one. It must not rely on it, because an entry may have any key.
pub fn is_version_key(key: &str) -> bool {
    key.contains(MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_from_entries() {
        assert!(is_version_key(&version_key("app|shop::f", None)));
        assert!(is_version_key(&version_key("app|shop::f", Some("abc"))));
        assert!(!is_version_key("app|shop::f:abc"));
    }
}
