//! Thin wrappers for questions to the framework that no engine needs.
