#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use proptest::prelude::*;

use super::*;
use crate::contract::Limits;
use crate::soap::{Element, Node};

/// A document as XML text: enough of a writer to compare trees with the specification's examples.
fn xml(element: &Element) -> String {
    let attributes: String = element.attributes.iter().map(|(name, value)| format!(" {name}=\"{value}\"")).collect();
    let children: String = element
        .children
        .iter()
        .map(|node| match node {
            Node::Element(child) => xml(child),
            Node::Text(text) => text.clone(),
        })
        .collect();
    format!("<{0}{attributes}>{children}</{0}>", element.name)
}

fn document(bytes: &[u8]) -> Document {
    let (document, malformed) = read(bytes, &Dictionary::default(), &Limits::default());
    assert!(!malformed, "{bytes:02x?}");
    document.unwrap()
}

fn as_xml(bytes: &[u8]) -> String {
    let document = document(bytes);
    assert!(!document.truncated, "{bytes:02x?}");
    xml(&document.root)
}

/// [MC-NBFS] 3.
#[test]
fn the_example_of_mc_nbfs_is_read() {
    let bytes =
        b"\x56\x02\x0b\x01a\x06\x0b\x01s\x04\x56\x08\x44\x0a\x1e\x00\x82\x99\x06action\x01\x56\x0e\x40\x09Inventory\x81\x01\x01";
    let document = document(bytes);
    assert_eq!(
        xml(&document.root),
        "<Envelope><Header><Action mustUnderstand=\"1\">action</Action></Header><Body><Inventory>0</Inventory></Body></Envelope>"
    );
    assert_eq!(document.root.namespace, "http://www.w3.org/2003/05/soap-envelope");
    let action = document.root.child("Header").unwrap().child("Action").unwrap();
    assert_eq!(action.namespace, "http://www.w3.org/2005/08/addressing");
}

/// [MC-NBFX] 3: the record examples, one by one, each inside `<doc>` where it is no element.
#[test]
fn every_element_and_attribute_record_is_read() {
    for (bytes, expected) in [
        // Elements: 2.2.1
        (b"\x40\x03doc\x01".as_slice(), "<doc></doc>"),
        (b"\x41\x03pre\x03doc\x09\x03pre\x08http://a\x01", "<doc></doc>"),
        (b"\x42\x0e\x01", "<Body></Body>"),
        (b"\x43\x03pre\x0e\x01", "<Body></Body>"),
        (b"\x44\x0a\x01", "<Action></Action>"),
        (b"\x56\x26\x01", "<DigestMethod></DigestMethod>"),
        (b"\x5d\x26\x01", "<DigestMethod></DigestMethod>"),
        (b"\x5e\x05hello\x01", "<hello></hello>"),
        (b"\x77\x05world\x01", "<world></world>"),
        (b"\x40\x03doc\x02\x07comment\x01", "<doc></doc>"),
        (b"\x02\x07comment\x40\x03doc\x01\x02\x03end", "<doc></doc>"),
        // Attributes: 2.2.2
        (b"\x40\x03doc\x04\x04attr\x84\x01", "<doc attr=\"false\"></doc>"),
        (b"\x40\x03doc\x09\x03pre\x08http://a\x05\x03pre\x04attr\x84\x01", "<doc attr=\"false\"></doc>"),
        (b"\x40\x03doc\x06\x08\x86\x01", "<doc Header=\"true\"></doc>"),
        (b"\x40\x03doc\x07\x03pre\x00\x86\x01", "<doc mustUnderstand=\"true\"></doc>"),
        (b"\x40\x03doc\x08\x08http://b\x01", "<doc></doc>"),
        (b"\x40\x03doc\x0a\x06\x01", "<doc></doc>"),
        (b"\x40\x03doc\x0b\x01p\x06\x01", "<doc></doc>"),
        (b"\x40\x03doc\x0c\x0c\x82\x01", "<doc To=\"1\"></doc>"),
        (b"\x40\x03doc\x25\x0c\x82\x01", "<doc To=\"1\"></doc>"),
        (b"\x40\x03doc\x26\x04attr\x98\x02hi\x01", "<doc attr=\"hi\"></doc>"),
        (b"\x40\x03doc\x3f\x04attr\xa4\x82\x80\xa6\x01", "<doc attr=\"1 0\"></doc>"),
        (b"\x40\x03doc\x04\x01x\x9e\x03abc\x01", "<doc x=\"YWJj\"></doc>"),
        // Array: 2.2.3.31
        (
            b"\x40\x03doc\x03\x40\x03arr\x01\x8b\x03\x01\x00\x02\x00\xff\xff\x01",
            "<doc><arr>1</arr><arr>2</arr><arr>-1</arr></doc>",
        ),
        (
            b"\x40\x03doc\x03\x40\x03arr\x04\x01a\x82\x01\xb5\x02\x00\x01\x01",
            "<doc><arr a=\"1\">false</arr><arr a=\"1\">true</arr></doc>",
        ),
    ] {
        assert_eq!(as_xml(bytes), expected, "{bytes:02x?}");
    }
}

/// [MC-NBFX] 2.2.3: each text record, plain and with the end of its element.
#[test]
fn every_text_record_is_read_with_and_without_its_end_element() {
    let guid = "00112233-4455-6677-8899-aabbccddeeff";
    let guid_bytes = b"\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff";
    let with = |kind: u8, value: &[u8]| {
        let mut record = vec![kind];
        record.extend_from_slice(value);
        record
    };
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let unicode = |prefix: &[u8]| [prefix, wide("h\u{e9}").as_slice()].concat();
    for (record, text) in [
        (with(0x80, b""), "0"),
        (with(0x82, b""), "1"),
        (with(0x84, b""), "false"),
        (with(0x86, b""), "true"),
        (with(0x88, b"\xde"), "-34"),
        (with(0x8a, b"\x00\x80"), "-32768"),
        (with(0x8c, b"\x15\xcd\x5b\x07"), "123456789"),
        (with(0x8e, b"\x00\x00\x00\x80\x00\x00\x00\x00"), "2147483648"),
        (with(0x90, b"\xcd\xcc\x8c\x3f"), "1.100000023841858"),
        (with(0x90, b"\x00\x00\x80\x7f"), "INF"),
        (with(0x92, b"\x74\x57\x14\x8b\x0a\xbf\x05\x40"), "2.71828182845905"),
        (with(0x92, b"\x00\x00\x00\x00\x00\x00\xf0\xff"), "-INF"),
        (with(0x94, b"\x00\x00\x06\x00\x00\x00\x00\x00\x80\x2d\x4e\x00\x00\x00\x00\x00"), "5.123456"),
        (with(0x94, b"\x00\x00\x02\x80\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00"), "-0.05"),
        (with(0x96, b"\xff\x3f\x37\xf4\x75\x28\xca\x2b"), "9999-12-31T23:59:59.9999999"),
        (with(0x96, b"\x00\x40\x8e\xf9\x5b\x47\xc8\x48"), "2006-05-17T00:00:00Z"),
        (with(0x98, b"\x05hello"), "hello"),
        (with(0x9a, b"\x05\x00hello"), "hello"),
        (with(0x9c, b"\x05\x00\x00\x00hello"), "hello"),
        (with(0x9e, b"\x08\x00\x01\x02\x03\x04\x05\x06\x07"), "AAECAwQFBgc="),
        (with(0xa0, b"\x03\x00abc"), "YWJj"),
        (with(0xa2, b"\x03\x00\x00\x00abc"), "YWJj"),
        (with(0xa4, b"\x88\x7b\x98\x05hello\x86\xa6"), "123 hello true"),
        (with(0xa8, b""), ""),
        (with(0xaa, b"\x38"), "http://schemas.microsoft.com/ws/2006/05/rm"),
        (with(0xac, guid_bytes), "urn:uuid:00112233-4455-6677-8899-aabbccddeeff"),
        (with(0xae, b"\x00\xc4\xf5\x32\xff\xff\xff\xff"), "-P0DT0H5M44S"),
        (with(0xb0, guid_bytes), guid),
        (with(0xb2, b"\xff\xff\xff\xff\xff\xff\xff\xff"), "18446744073709551615"),
        (with(0xb4, b"\x01"), "true"),
        (with(0xb6, &unicode(b"\x04")), "h\u{e9}"),
        (with(0xb8, &unicode(b"\x04\x00")), "h\u{e9}"),
        (with(0xba, &unicode(b"\x04\x00\x00\x00")), "h\u{e9}"),
        (with(0xbc, b"\x08\x08"), "i:Header"),
    ] {
        let expected = format!("<doc>{text}</doc>");
        let plain = [b"\x40\x03doc".as_slice(), &record, b"\x01"].concat();
        assert_eq!(as_xml(&plain), expected, "{record:02x?}");
        if record[0] == 0xa4 {
            // A list ends its element with the odd form of its end.
            continue;
        }
        let mut odd = record.clone();
        odd[0] |= 1;
        let with_end = [b"\x40\x03doc".as_slice(), &odd].concat();
        assert_eq!(as_xml(&with_end), as_xml(&plain), "{odd:02x?}");
    }
}

#[test]
fn adjacent_texts_and_bytes_are_one_text() {
    assert_eq!(as_xml(b"\x40\x03doc\x98\x02he\x98\x03llo\x01"), "<doc>hello</doc>");
    // Cut where base64 would need padding.
    assert_eq!(as_xml(b"\x40\x03doc\x9e\x02ab\x9f\x01c"), "<doc>YWJj</doc>");
}

/// [MC-NBFSE] 3: a table before the document, its strings by odd numbers, kept for the next message.
#[test]
fn strings_of_the_session_keep_their_numbers_across_messages() {
    let mut dictionary = Dictionary::default();
    let limits = Limits::default();
    let first = b"\x0c\x05hello\x05world\x42\x01\x99\x02hi";
    let table = dictionary.read_table(first, &limits).unwrap();
    assert_eq!(table, 13);
    assert_eq!(xml(&read(&first[table..], &dictionary, &limits).0.unwrap().root), "<hello>hi</hello>");
    let second = b"\x04\x03new\x42\x03\x06\x05\x82\x01";
    let table = dictionary.read_table(second, &limits).unwrap();
    assert_eq!(xml(&read(&second[table..], &dictionary, &limits).0.unwrap().root), "<world new=\"1\"></world>");
    assert_eq!(Dictionary::table_len(first), Some(13));
}

#[test]
fn a_string_that_was_lost_is_not_guessed() {
    let mut dictionary = Dictionary::default();
    let limits = Limits::default();
    dictionary.read_table(b"\x04\x03one", &limits).unwrap();
    dictionary.lose();
    dictionary.read_table(b"\x06\x05other", &limits).unwrap();
    assert_eq!((dictionary.get(1), dictionary.get(3)), (Some("one"), None));
    let document = read(b"\x42\x03\x01", &dictionary, &limits).0.unwrap();
    assert!(document.truncated);
    assert_eq!(document.root.name, "#3");
}

#[test]
fn a_table_that_lies_about_its_size_breaks_the_dictionary() {
    let limits = Limits::default();
    for (bytes, error) in [
        (b"\x05\x09abcd".as_slice(), TableError::Malformed),
        (b"\x09\x03abc", TableError::Short),
        (b"\xff\xff\xff\xff\xff", TableError::Malformed),
    ] {
        let mut dictionary = Dictionary::default();
        assert_eq!(dictionary.read_table(bytes, &limits), Err(error));
        dictionary.read_table(b"\x04\x03one", &limits).unwrap();
        assert_eq!(dictionary.get(1), None);
    }
    let tight = Limits { max_dictionary_strings: 1, ..limits };
    assert_eq!(Dictionary::default().read_table(b"\x04\x01a\x01b", &tight), Err(TableError::Limit));
}

/// [MC-NBFX] 2.1.2.
#[test]
fn multi_byte_integers_have_31_bits() {
    let read = |bytes: &[u8]| multi_byte_int31(&mut Cursor::new(bytes));
    for (bytes, value) in [
        (b"\x11".as_slice(), 17),
        (b"\x91\x01", 145),
        (b"\xb9\x0a", 1_337),
        (b"\xff\xff\xff\xff\x07", 0x7fff_ffff),
        (b"\x80\x00", 0),
    ] {
        assert_eq!(read(bytes), Ok(value));
    }
    assert_eq!(read(b"\xff\xff\xff\xff\x0f"), Err(IntError::TooLong));
    assert!(matches!(read(b"\x80"), Err(IntError::Short(_))));
}

#[test]
fn a_document_that_is_cut_off_gives_its_head() {
    let bytes = b"\x40\x03doc\x40\x01a\x99\x05hello\x40\x01b\x99\x05world\x01";
    for len in 5..bytes.len() {
        let (document, malformed) = read(&bytes[..len], &Dictionary::default(), &Limits::default());
        let document = document.unwrap();
        assert!(document.truncated && !malformed, "{len}");
        assert_eq!(document.root.name, "doc");
    }
    let cut = document(&bytes[..18]);
    assert_eq!(xml(&cut.root), "<doc><a>hello</a><b></b></doc>");
    // Part of a text counts.
    assert_eq!(xml(&document(&bytes[..21]).root), "<doc><a>hello</a><b>w</b></doc>");
}

#[test]
fn what_breaks_the_format_is_told() {
    for bytes in [
        b"\x40\x03doc\xff".as_slice(),
        b"\x40\x03doc\x04\x01a\x40",
        b"\x40\x03doc\x03\x99",
        b"\x40\x03doc\xa6",
        b"\x40\x03doc\x01\x40\x01x",
        b"\x40\x03doc\x9c\xff\xff\xff\xff",
        b"\x01",
        b"\x99\x01x",
    ] {
        assert!(read(bytes, &Dictionary::default(), &Limits::default()).1, "{bytes:02x?}");
    }
}

#[test]
fn depth_nodes_and_text_have_caps() {
    let deep = [b"\x40\x01a".repeat(10_000), b"\x98\x01x".to_vec(), b"\x01".repeat(10_000)].concat();
    let limits = Limits { max_depth: 5, ..Limits::default() };
    let document = read(&deep, &Dictionary::default(), &limits).0.unwrap();
    assert!(document.truncated);
    assert_eq!(xml(&document.root), "<a><a><a><a><a></a></a></a></a></a>");

    let wide = [b"\x40\x01a".as_slice(), &b"\x40\x01b\x01".repeat(100_000)].concat();
    let document = read(&wide, &Dictionary::default(), &Limits::default()).0.unwrap();
    assert!(document.truncated && document.root.children.len() <= Limits::default().max_nodes);

    let limits = Limits { max_text: 10, ..Limits::default() };
    let document = read(b"\x40\x01a\x98\x08aaaaaaaa\x99\x08bbbbbbbb", &Dictionary::default(), &limits).0.unwrap();
    assert_eq!((xml(&document.root).as_str(), document.truncated), ("<a>aaaaaaaabb</a>", true));
}

/// Two bytes on the wire name a string of 64 KiB: what is kept stays bounded all the same.
#[test]
fn a_large_dictionary_string_named_many_times_is_no_bomb() {
    let mut dictionary = Dictionary::default();
    let limits = Limits { max_dictionary_bytes: 256 * 1024, ..Limits::default() };
    let mut table = vec![0x83, 0x80, 0x04, 0x80, 0x80, 0x04];
    table.extend(std::iter::repeat_n(b'x', 65_536));
    dictionary.read_table(&table, &limits).unwrap();
    let body = [b"\x40\x01a".as_slice(), &b"\x40\x01b\xab\x01".repeat(8_000)].concat();
    let document = read(&body, &dictionary, &limits).0.unwrap();
    let kept = xml(&document.root).len();
    assert!(document.truncated && kept <= limits.max_message * 5, "{kept} bytes kept");
    let array =
        [b"\x40\x01a\x03\x40\x01b".as_slice(), &b"\x04\x01c\xaa\x01".repeat(7), b"\x01\xb5\xff\x3f", &[1; 8_191]].concat();
    let document = read(&array, &dictionary, &limits).0.unwrap();
    assert!(document.truncated && xml(&document.root).len() <= limits.max_message * 10);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut dictionary = Dictionary::default();
        let _ = dictionary.read_table(&bytes, &Limits::default());
        drop(read(&bytes, &dictionary, &Limits::default()));
        // Most random bytes are no element: begin with one.
        drop(read(&[b"\x40\x01a".as_slice(), &bytes].concat(), &dictionary, &Limits::default()));
    }
}
