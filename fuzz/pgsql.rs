//! See `backstop_fuzz::pgsql`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| backstop_fuzz::pgsql::run(input));
