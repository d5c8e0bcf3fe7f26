//! See `backstop_fuzz::tls_session`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| backstop_fuzz::tls_session::run(input));
