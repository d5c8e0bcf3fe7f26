//! See `backstop_fuzz::files`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| backstop_fuzz::files::run(input));
