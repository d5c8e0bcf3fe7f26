//! See `backstop_fuzz::sql_text`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| backstop_fuzz::sql_text::run(input));
