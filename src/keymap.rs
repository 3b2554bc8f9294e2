//! The one table of keys: keys, command, help text.
