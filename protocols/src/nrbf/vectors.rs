//! Streams of others: after the example of the specification, field by field, and what Mono's `BinaryFormatter` writes.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use super::*;
use crate::contract::Limits;

/// After [MS-NRBF] 3: a call of `SendAddress` with an object of `DOJRemotingMetadata.Address`, and its reply.
const CALL: &str = "0001000000ffffffff0100000000000000\
    1514000000120b53656e6441646472657373126f444f4a52656d6f74696e674d657461646174612e4d795365727665722c20444f4a52656d6f74696e674d65746164\
    6174612c2056657273696f6e3d312e302e323632322e33313332362c2043756c747572653d6e65757472616c2c205075626c69634b6579546f6b656e3d6e756c6c\
    10010000000100000009020000000c0300000051444f4a52656d6f74696e674d657461646174612c2056657273696f6e3d312e302e323632322e33313332362c2043\
    756c747572653d6e65757472616c2c205075626c69634b6579546f6b656e3d6e756c6c0502000000\
    1b444f4a52656d6f74696e674d657461646174612e4164647265737304000000065374726565740443697479055374617465035a6970010101010300000006040000\
    00114f6e65204d6963726f736f667420576179060500000007526564 6d6f6e6406060000000257410607000000053938303534 0b";
const REPLY: &str = "0001000000ffffffff010000000000000016110800001210416464726573732072656365697665640b";

fn bytes(hex: &str) -> Vec<u8> {
    let plain: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    data_encoding::HEXLOWER.decode(&plain).unwrap()
}

/// The streams that Mono wrote, by name.
fn mono() -> Vec<(String, Vec<u8>)> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/nrbf/mono.txt");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| line.split_once(' ').unwrap()).map(|(name, hex)| (name.to_owned(), bytes(hex))).collect()
}

#[test]
fn the_example_of_the_specification_is_read() {
    let call = facts(&bytes(CALL), &Limits::default());
    assert!(call.complete && !call.malformed && !call.limited, "{call:?}");
    let (method, class) = call.call.unwrap();
    assert_eq!(method, "SendAddress");
    assert!(class.starts_with("DOJRemotingMetadata.MyServer, DOJRemotingMetadata, Version=1.0.2622.31326"), "{class}");
    let [address] = call.types.as_slice() else { panic!("{:?}", call.types) };
    assert_eq!(address.name, "DOJRemotingMetadata.Address");
    assert!(address.library.as_deref().unwrap().starts_with("DOJRemotingMetadata, "));
    assert_eq!(call.texts, ["One Microsoft Way", "Redmond", "WA", "98054"]);
    let reply = facts(&bytes(REPLY), &Limits::default());
    assert!(reply.complete);
    assert_eq!((reply.returned, reply.texts.as_slice()), (Some(Returned::Value), &["Address received".to_owned()][..]));
}

#[test]
fn every_stream_that_mono_writes_is_walked_to_its_end() {
    let streams = mono();
    assert_eq!(streams.len(), 12);
    let of = |name: &str| {
        let (_, bytes) = streams.iter().find(|(known, _)| known == name).unwrap();
        let facts = facts(bytes, &Limits::default());
        assert!(facts.complete && !facts.malformed && !facts.limited, "{name}: {facts:?}");
        facts
    };
    for (name, _) in &streams {
        of(name);
    }
    assert_eq!(of("person").root.as_deref(), Some("Lab.Person"));
    assert_eq!(of("text").texts, ["alpha"]);
    assert_eq!(of("guid").root.as_deref(), Some("System.Guid"));
    assert!(of("dictionary").types.iter().any(|known| known.name == "Lab.Person"));
    assert_eq!(of("loop").types.len(), 1);
    let remote = of("objref");
    assert!(remote.remote);
    let addresses: Vec<&str> = remote.addresses.iter().map(|address| address.uri.as_str()).collect();
    assert!(addresses.iter().any(|address| address.starts_with("tcp://10.20.30.5:")), "{addresses:?}");
    assert!(remote.addresses.iter().all(|address| !address.bare));
}

#[test]
fn every_truncation_of_every_stream_is_survived() {
    for (_, bytes) in mono() {
        for len in 0..bytes.len() {
            let cut = facts(bytes.get(..len).unwrap(), &Limits::default());
            assert!(!cut.complete && !cut.malformed);
        }
    }
}
