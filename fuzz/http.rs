//! See `backstop_fuzz::http`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| backstop_fuzz::http::run(input));
