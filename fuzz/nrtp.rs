//! See `backstop_fuzz::nrtp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| backstop_fuzz::nrtp::run(input));
