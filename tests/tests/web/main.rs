//! Cached views: the layer for whole responses, functions cached by the request's path, and the public HTTP cache suite.

mod attacks;
mod conditional;
mod hostile;
mod invalidation;
mod leaks;
mod options;
mod parts;
mod per_request;
mod races;
mod ranges;
mod scope;
mod single_flight;
mod stale;
mod streams;
mod suite;
mod support;
mod views;
