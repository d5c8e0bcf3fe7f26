//! What the template promises.

use backstop_types::Direction::{ToClient, ToServer};

use super::*;
use crate::testing::{assert_every_segmentation_is_equal, run, run_every_truncation};

fn conversation() -> crate::testing::Script {
    let mut hello = GREETING.to_vec();
    hello.extend_from_slice(b"first\nsecond\n");
    vec![(ToServer, hello), (ToClient, b"first\nsecond\n".to_vec()), (ToServer, b"third\n".to_vec())]
}

#[test]
fn each_line_is_a_transaction() {
    let lines: Vec<_> = run(&conversation()).transactions().map(|(_, fields)| fields.clone()).collect();
    let expected: Vec<_> = ["first", "second", "third"].into_iter().map(|line| Fields::new().with("line", line)).collect();
    assert_eq!(lines, expected);
}

#[test]
fn segmentation_changes_nothing_and_truncation_is_safe() {
    assert_every_segmentation_is_equal(&conversation());
    run_every_truncation(&conversation(), 1);
}

#[test]
fn a_line_without_end_stops_the_parser() {
    let mut endless = GREETING.to_vec();
    endless.extend(std::iter::repeat_n(b'x', MAX_LINE + 1));
    assert_eq!(run(&[(ToServer, endless)]).anomalies(), ["line_too_long"]);
}

#[test]
fn another_first_line_is_not_echo() {
    assert_eq!(probe(ToServer, b"GET / HTTP/1.1\r\n"), Probe::No);
    assert_eq!(probe(ToServer, b"BACK"), Probe::MoreBytes);
}
