//! See `backstop_fuzz::dcerpc`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| backstop_fuzz::dcerpc::run(input));
