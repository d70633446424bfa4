#![no_main]

libfuzzer_sys::fuzz_target!(|text: &[u8]| tidegate_fuzz::language(text));
