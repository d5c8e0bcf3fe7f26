//! See `backstop_fuzz::smb`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| backstop_fuzz::smb::run(input));
