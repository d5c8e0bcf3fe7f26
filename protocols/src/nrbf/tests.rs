#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use proptest::prelude::*;

use super::*;
use crate::contract::Limits;

const HEADER: &[u8] = b"\x00\x01\x00\x00\x00\xff\xff\xff\xff\x01\x00\x00\x00\x00\x00\x00\x00";

fn stream(records: &[u8]) -> Vec<u8> {
    [HEADER, records, b"\x0b"].concat()
}

fn text(value: &str) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(value.len()).unwrap()];
    bytes.extend_from_slice(value.as_bytes());
    bytes
}

/// The walk, and every value with the member that holds it.
fn run(bytes: &[u8]) -> (Walk, Vec<(String, String)>) {
    let mut values = Vec::new();
    let walk = walk(bytes, &Limits::default(), &mut |visit| {
        if !matches!(visit.value, Scalar::Reference(_) | Scalar::Bytes(_)) {
            values.push((visit.member.to_owned(), visit.value.to_text(1_000)));
        }
    });
    (walk, values)
}

/// ClassWithMembersAndTypes of two members, an Int32 and a string ([MS-NRBF] 2.3.2.1).
fn person(id: u8, name: &str) -> Vec<u8> {
    let mut bytes = b"\x0c\x02\x00\x00\x00".to_vec();
    bytes.extend(text("Assembly"));
    bytes.extend([5, id, 0, 0, 0]);
    bytes.extend(text(name));
    bytes.extend(b"\x02\x00\x00\x00");
    bytes.extend(text("Age"));
    bytes.extend(text("Name"));
    bytes.extend(b"\x00\x01\x08\x02\x00\x00\x00");
    bytes.extend(b"\x2a\x00\x00\x00\x06\x09\x00\x00\x00");
    bytes.extend(text("Ann"));
    bytes
}

#[test]
fn a_class_with_members_gives_its_name_and_values() {
    let (walk, values) = run(&stream(&person(1, "Lab.Person")));
    assert!(walk.complete);
    assert_eq!(walk.root.as_deref(), Some("Lab.Person"));
    assert_eq!(walk.libraries, ["Assembly"]);
    assert_eq!(walk.classes[0].library.as_deref(), Some("Assembly"));
    assert_eq!(values, [("Age".to_owned(), "42".to_owned()), ("Name".to_owned(), "Ann".to_owned())]);
}

#[test]
fn every_record_type_is_walked() {
    let person = person(1, "Lab.Person");
    let with = |tail: &[u8]| [person.as_slice(), tail].concat();
    let class = |record: u8, library: &[u8]| {
        [&[record, 3, 0, 0, 0], text("C").as_slice(), b"\x01\x00\x00\x00", &text("m"), library, b"\x0a"].concat()
    };
    for (name, records) in [
        ("ClassWithId", with(b"\x01\x05\x00\x00\x00\x01\x00\x00\x00\x07\x00\x00\x00\x0a")),
        ("SystemClassWithMembers", class(2, b"")),
        ("ClassWithMembers", class(3, b"\x02\x00\x00\x00")),
        ("SystemClassWithMembersAndTypes", [&[4, 3, 0, 0, 0], text("C").as_slice(), b"\x01\x00\x00\x00", &text("m"), b"\x00\x01\x01"].concat()),
        ("BinaryArray rank 2", b"\x07\x03\x00\x00\x00\x02\x02\x00\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00\x00\x08\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x04\x00\x00\x00".to_vec()),
        ("BinaryArray with offset", b"\x07\x03\x00\x00\x00\x03\x01\x00\x00\x00\x02\x00\x00\x00\x05\x00\x00\x00\x02\x0a\x0a".to_vec()),
        ("MemberPrimitiveTyped", b"\x08\x09\x01\x00\x00\x00\x00\x00\x00\x00".to_vec()),
        ("MemberReference", b"\x10\x01\x00\x00\x00\x01\x00\x00\x00\x09\x05\x00\x00\x00".to_vec()),
        ("ObjectNullMultiple256", b"\x10\x01\x00\x00\x00\x05\x00\x00\x00\x0d\x05".to_vec()),
        ("ObjectNullMultiple", b"\x10\x01\x00\x00\x00\x00\x01\x00\x00\x0e\x00\x01\x00\x00".to_vec()),
        ("ArraySinglePrimitive", b"\x0f\x01\x00\x00\x00\x03\x00\x00\x00\x02abc".to_vec()),
        ("ArraySinglePrimitive of strings", b"\x0f\x01\x00\x00\x00\x02\x00\x00\x00\x12\x01a\x01b".to_vec()),
        ("ArraySingleString", b"\x11\x01\x00\x00\x00\x02\x00\x00\x00\x06\x02\x00\x00\x00\x01x\x0a".to_vec()),
        ("MethodCall", [b"\x15\x12\x00\x00\x00\x12".as_slice(), &text("Send"), b"\x12", &text("Lab.IServer"), b"\x01\x00\x00\x00\x12\x02hi"].concat()),
        ("MethodReturn", b"\x16\x11\x08\x00\x00\x08\x07\x00\x00\x00".to_vec()),
    ] {
        let (walk, _) = run(&stream(&records));
        assert!(walk.complete, "{name}: {walk:?}");
    }
    let (walk, values) = run(&stream(&with(b"\x01\x05\x00\x00\x00\x01\x00\x00\x00\x07\x00\x00\x00\x0a")));
    assert_eq!(walk.classes[0].instances, 2);
    assert_eq!(values[2], ("Age".to_owned(), "7".to_owned()));
}

#[test]
fn a_method_call_names_its_method_and_type() {
    let call =
        [b"\x15\x12\x00\x00\x00\x12".as_slice(), &text("Send"), b"\x12", &text("Lab.IServer"), b"\x01\x00\x00\x00\x12\x02hi"]
            .concat();
    let (walk, values) = run(&stream(&call));
    assert_eq!(walk.call, Some(("Send".to_owned(), "Lab.IServer".to_owned())));
    assert_eq!(values, [(String::new(), "hi".to_owned())]);
}

#[test]
fn every_primitive_type_is_read() {
    for (wire, bytes, value) in [
        (1, b"\x01".as_slice(), "1"),
        (2, b"\xff", "255"),
        (3, "\u{e9}".as_bytes(), "\u{e9}"),
        (5, b"\x041.50", "1.50"),
        (6, &2.5_f64.to_le_bytes(), "2.5"),
        (7, b"\xff\xff", "-1"),
        (8, b"\x01\x00\x00\x00", "1"),
        (9, &(-5_i64).to_le_bytes(), "-5"),
        (10, b"\x80", "-128"),
        (11, &0.5_f32.to_le_bytes(), "0.5"),
        (12, &7_i64.to_le_bytes(), "7"),
        (13, &8_i64.to_le_bytes(), "8"),
        (14, b"\xff\xff", "65535"),
        (15, b"\xff\xff\xff\xff", "4294967295"),
        (16, &u64::MAX.to_le_bytes(), "18446744073709551615"),
        (17, b"", ""),
        (18, b"\x02ab", "ab"),
    ] {
        let (walk, values) = run(&stream(&[&[8, wire], bytes].concat()));
        assert!(walk.complete, "type {wire}");
        assert_eq!(values, [(String::new(), value.to_owned())], "type {wire}");
    }
}

#[test]
fn credential_objects_are_counted_and_collections_and_enumerations_are_not() {
    let count = |name: &str| run(&stream(&person(1, name))).0.credential_objects();
    assert_eq!(count("Veeam.Backup.Model.CDbCredentialsInfo"), 1);
    assert_eq!(count("Lab.Outer+Credential"), 1);
    assert_eq!(count("Lab.Credentials.Job"), 0);
    assert_eq!(count("Lab.Person"), 0);
    assert_eq!(count("Veeam.Backup.Model.CDbCredentialsInfo[]"), 0);
    assert_eq!(count("System.Collections.Generic.List`1[[Veeam.Backup.Model.CDbCredentialsInfo, X]]"), 0);
    let enumeration =
        [&[4, 3, 0, 0, 0], text("Lab.CredKind").as_slice(), b"\x01\x00\x00\x00", &text("value__"), b"\x00\x08\x01\x00\x00\x00"]
            .concat();
    assert_eq!(run(&stream(&enumeration)).0.credential_objects(), 0);
}

#[test]
fn declared_lengths_cost_nothing() {
    for records in [
        b"\x10\x01\x00\x00\x00\xff\xff\xff\x7f".as_slice(),
        b"\x0f\x01\x00\x00\x00\xff\xff\xff\x7f\x06",
        b"\x07\x03\x00\x00\x00\x02\x03\x00\x00\x00\xff\xff\xff\x7f\xff\xff\xff\x7f\xff\xff\xff\x7f\x00\x08",
        b"\x04\x01\x00\x00\x00\x01C\xff\xff\xff\x7f",
        b"\x06\x01\x00\x00\x00\xff\xff\xff\xff\x07",
        b"\x0e\xff\xff\xff\x7f",
    ] {
        let (walk, _) = run(&[HEADER, records].concat());
        assert!(!walk.complete, "{records:02x?}");
    }
    let nulls = [b"\x10\x01\x00\x00\x00\x02\x00\x00\x00".as_slice(), b"\x0e\x03\x00\x00\x00"].concat();
    assert!(run(&stream(&nulls)).0.malformed_at.is_some(), "more nulls than elements");
}

#[test]
fn nesting_and_values_have_caps() {
    // Arrays in arrays.
    let deep = b"\x10\x01\x00\x00\x00\x01\x00\x00\x00".repeat(1_000);
    assert!(run(&stream(&deep)).0.limited);
    let wide = [b"\x10\x01\x00\x00\x00\xff\xff\x0f\x00".as_slice(), &b"\x0a".repeat(1_000_000)].concat();
    assert!(run(&stream(&wide)).0.limited);
}

#[test]
fn what_is_no_stream_is_refused() {
    for bytes in
        [b"".as_slice(), b"\x00\x01\x00\x00\x00\xff\xff\xff\xff\x02\x00\x00\x00\x00\x00\x00\x00\x0b", b"MZ\x90\x00", b"\x01\x02"]
    {
        assert!(!run(bytes).0.complete);
    }
    assert!(run(&stream(b"\x13")).0.malformed_at.is_some());
    assert!(run(&stream(b"\x01\x05\x00\x00\x00\x01\x00\x00\x00")).0.malformed_at.is_some(), "a class that was not defined");
    // The end record in the middle of an object.
    assert!(run(&stream(b"\x10\x01\x00\x00\x00\x02\x00\x00\x00\x0b")).0.malformed_at.is_some());
}

proptest! {
    #[test]
    fn cut_and_damaged_streams_are_survived(
        at in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        tail in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut bytes = stream(&[person(1, "Lab.Person"), tail].concat());
        for (place, byte) in changes {
            let len = bytes.len();
            bytes[place.index(len)] = byte;
        }
        let len = bytes.len();
        run(&bytes[..at.index(len + 1)]);
    }
}
