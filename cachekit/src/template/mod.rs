//! Cached fragments of `minijinja` templates.
