//! Requests without their padding ([`crate::sql::squeeze`]): the text of a batch, and those that procedures run.

use super::rpc;
use super::types::Dialect;
use crate::sql;

/// Takes blanks and comments out of the UTF-16 text from a place on; bytes that this freed. The text may end anywhere. One
/// pass.
pub fn squeeze(bytes: &mut Vec<u8>, from: usize) -> usize {
    let before = bytes.len();
    let text = bytes.split_off(from.min(before));
    bytes.extend(wide(&text));
    before.saturating_sub(bytes.len())
}

/// The same with the texts that a procedure of an RPC runs, in calls from a place on. The message may end anywhere.
pub fn squeeze_calls(bytes: &mut Vec<u8>, from: usize, dialect: Dialect) -> usize {
    let before = bytes.len();
    let calls = bytes.split_off(from.min(before));
    rpc::squeeze(&calls, dialect, bytes);
    before.saturating_sub(bytes.len())
}

/// A text of UTF-16; half a unit at its end stays.
pub fn wide(text: &[u8]) -> Vec<u8> {
    let (pairs, odd) = text.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
    let squeezed = sql::squeeze(&units, sql::Dialect::TransactSql);
    squeezed.into_iter().flat_map(u16::to_le_bytes).chain(odd.iter().copied()).collect()
}

/// A text of bytes.
pub fn narrow(text: &[u8]) -> Vec<u8> {
    sql::squeeze(text, sql::Dialect::TransactSql)
}
