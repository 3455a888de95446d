//! The code blocks of the book and of the README, as doc tests.

#![allow(clippy::doc_markdown, reason = "prose, not rustdoc")]

macro_rules! pages {
    ($($page:ident: $path:literal,)*) => {$(
        #[doc = include_str!(concat!("../../", $path))]
        mod $page {}
    )*};
}

pages! {
    readme: "README.md",
    introduction: "docs/src/introduction.md",
    first: "docs/src/guide/first.md",
    methods: "docs/src/guide/methods.md",
    async_functions: "docs/src/guide/async.md",
    deleting: "docs/src/guide/deleting.md",
    seeing: "docs/src/guide/seeing.md",
    command: "docs/src/guide/command.md",
    cache: "docs/src/guide/cache.md",
    configuration: "docs/src/guide/configuration.md",
    redis: "docs/src/guide/redis.md",
    memcached: "docs/src/guide/memcached.md",
    web: "docs/src/guide/web.md",
    templates: "docs/src/guide/templates.md",
    testing: "docs/src/guide/testing.md",
    backends: "docs/src/guide/backends.md",
    from_cached: "docs/src/from/cached.md",
    from_moka: "docs/src/from/moka.md",
    from_flask_caching: "docs/src/from/flask-caching.md",
    options: "docs/src/options.md",
    what_works: "docs/src/what-works.md",
    errors: "docs/src/errors.md",
    intended: "docs/src/intended.md",
    stability: "docs/src/stability.md",
    design: "docs/src/design.md",
    invalidation: "docs/src/invalidation.md",
    single_flight: "docs/src/single-flight.md",
    entry_format: "docs/src/entry-format.md",
    decisions: "docs/src/decisions.md",
    memcached_protocol: "docs/src/memcached-protocol.md",
    http_caching: "docs/src/http-caching.md",
    peers: "docs/src/peers.md",
    performance: "docs/src/performance.md",
    performance_table: "docs/src/performance-table.md",
    performance_profile: "docs/src/performance-profile.md",
    performance_remote: "docs/src/performance-remote.md",
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// A page that isn't in the list above would have untested code.
    #[test]
    fn every_page_of_the_book_is_tested() {
        let summary = include_str!("../../docs/src/SUMMARY.md");
        let this = include_str!("book.rs");
        let pages: Vec<&str> =
            summary.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
        assert!(pages.len() > 10, "{pages:?}");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src");
        for page in pages {
            assert!(root.join(page).is_file(), "{page} is in the summary only");
            assert!(this.contains(&format!("\"docs/src/{page}\"")), "{page} is not tested");
        }
    }
}
