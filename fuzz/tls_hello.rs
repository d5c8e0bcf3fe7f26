//! See `backstop_fuzz::tls_hello`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| backstop_fuzz::tls_hello::run(input));
