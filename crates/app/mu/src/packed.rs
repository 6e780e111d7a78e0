//! What the binary carries of this repository; made by the build script.

include!(concat!(env!("OUT_DIR"), "/packed.rs"));
