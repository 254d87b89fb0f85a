//! What a hostile or broken file can do to us: nothing.
