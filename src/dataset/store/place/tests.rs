//! Where stores lie and how images are named.
