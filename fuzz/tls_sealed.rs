//! See `backstop_fuzz::tls_sealed`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| backstop_fuzz::tls_sealed::run(input));
