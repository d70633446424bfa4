//! Lua execution contexts.
