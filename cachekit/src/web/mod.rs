//! Cached views: the request under which a function runs, and whole responses.
