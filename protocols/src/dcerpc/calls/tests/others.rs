//! The registry, questions, and the endpoint mapper.

use super::*;
use crate::dcerpc::calls::names::{EPMAPPER, SRVSVC, TASKS, WINREG, WKSSVC};

fn string(writer: &mut Writer, text: &str) {
    let len = u16::try_from(text.encode_utf16().count() * 2 + 2).unwrap();
    writer.pad().u16(len).u16(len).pointer().wide(text);
}

#[test]
fn keys_and_values_are_named_and_texts_read() {
    let write = |writer: &mut Writer| {
        writer.handle(4);
        string(writer, "SOFTWARE\\Run");
        writer.u32(0).u32(0x2_0019);
    };
    each_way(WINREG, 15, write, |call| {
        assert_eq!(call.fields().get("sub_key"), Some(&Value::from("SOFTWARE\\Run")));
        assert_eq!(call.handle().unwrap()[4], 4);
    });
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for (kind, data, text, number) in [
        (1, wide("cmd.exe /c x\0"), Some("cmd.exe /c x"), None),
        (2, wide("%windir%\\x"), Some("%windir%\\x"), None),
        (7, wide("a\0b\0\0"), Some("a\nb"), None),
        (4, vec![1, 0, 0, 0], None, Some(1)),
        (5, vec![0, 0, 0, 2], None, Some(2)),
        (3, vec![1, 2, 3], None, None),
    ] {
        let write = |writer: &mut Writer| {
            writer.handle(4);
            string(writer, "Upd");
            let len = u32::try_from(data.len()).unwrap();
            writer.u32(kind).byte_array(&data).u32(len);
        };
        each_way(WINREG, 22, write, |call| {
            let Asked::Registry(Registry::SetValue(value)) = &call.what else { panic!("{call:?}") };
            assert_eq!((value.name.text.as_str(), value.kind, value.len), ("Upd", Some(kind), Some(data.len())));
            assert_eq!((value.text.as_ref().map(|text| text.text.as_str()), value.number), (text, number));
            assert_eq!(run(call).len(), usize::from(text.is_some()));
        });
    }
    let write = |writer: &mut Writer| {
        writer.handle(4);
        string(writer, "C:\\Temp\\sam.save");
        writer.null();
    };
    each_way(WINREG, 20, write, |call| {
        assert_eq!(call.fields().get("file"), Some(&Value::from("C:\\Temp\\sam.save")));
    });
    let how = HOW[0];
    let root = request(WINREG, 2, &[], how).unwrap();
    assert_eq!(root.fields().get("root"), Some(&Value::from("HKEY_LOCAL_MACHINE")));
    let reply = response(WINREG, 2, &Writer::new(how).handle(8).u32(0).bytes, how).unwrap();
    assert_eq!((reply.code, reply.handle.map(|handle| handle[4])), (Some(0), Some(8)));
}

#[test]
fn questions_say_about_whom() {
    let write = |writer: &mut Writer| {
        writer.unique_wide("SRV01").null().unique_wide("anna").pad().u32(10);
    };
    each_way(SRVSVC, 12, write, |call| {
        let Asked::Listing(listing) = &call.what else { panic!("{call:?}") };
        assert_eq!((listing.level, listing.user.as_ref().unwrap().text.as_str()), (Some(10), "anna"));
        assert!(listing.client.is_none());
    });
    let write = |writer: &mut Writer| {
        writer.unique_wide("SRV01").pad().u32(1);
    };
    for (interface, opnum) in [(SRVSVC, 15), (WKSSVC, 2)] {
        each_way(interface, opnum, write, |call| assert_eq!(call.fields().get("level"), Some(&Value::from(1_u32))));
    }
    let write = |writer: &mut Writer| {
        writer.unique_wide("SRV01").pad().wide("C$").u32(1);
    };
    each_way(SRVSVC, 16, write, |call| assert_eq!(call.fields().get("share"), Some(&Value::from("C$"))));
}

/// A tower of an interface, version 1.0, by the floors that follow RPC.
fn tower(interface: u128, floors: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out = Writer::new(HOW[0]);
    out.u16(u16::try_from(floors.len() + 3).unwrap());
    for uuid in [interface, 0x8a88_5d04_1ceb_11c9_9fe8_0800_2b10_4860] {
        let mut uuid_bytes = Writer::new(HOW[0]);
        uuid_bytes.uuid(uuid);
        out.raw(&[19, 0, 0x0d]).raw(&uuid_bytes.bytes).raw(&[1, 0, 2, 0, 0, 0]);
    }
    out.raw(&[1, 0, 0x0b, 2, 0, 0, 0]);
    for (protocol, address) in floors {
        out.raw(&[1, 0, *protocol, u8::try_from(address.len()).unwrap(), 0]).raw(address);
    }
    out.bytes
}

fn argument(writer: &mut Writer, tower: &[u8]) {
    writer.count(tower.len()).u32(u32::try_from(tower.len()).unwrap()).raw(tower);
}

#[test]
fn the_endpoint_mapper_is_asked_and_answers() {
    let question = tower(TASKS, &[(7, &[0, 0]), (9, &[0; 4])]);
    let write = |writer: &mut Writer| {
        writer.pointer().uuid(0).pointer();
        argument(writer, &question);
    };
    each_way(EPMAPPER, 3, write, |call| {
        let Asked::Mapping(Mapping::Map { object: None, wanted: Some(wanted) }) = &call.what else { panic!("{call:?}") };
        assert_eq!((wanted.interface, wanted.protocol, wanted.port), (Some((TASKS, 1)), "ncacn_ip_tcp", None));
        assert_eq!(call.fields().get("interface"), Some(&Value::from("ITaskSchedulerService")));
    });
    let towers = [
        tower(TASKS, &[(7, &[0xc2, 0x06]), (9, &[10, 20, 30, 10])]),
        tower(TASKS, &[(0x0f, b"\\PIPE\\atsvc\0"), (0x11, b"\\\\SRV01\0")]),
    ];
    for how in HOW {
        let mut writer = Writer::new(how);
        writer.handle(0).u32(2).count(4).count(0).count(2).pointer().pointer();
        for tower in &towers {
            argument(&mut writer, tower);
        }
        writer.u32(0);
        let stub = writer.bytes;
        let reply = response(EPMAPPER, 3, &stub, how).unwrap();
        let [tcp, pipe] = reply.endpoints.as_slice() else { panic!("{reply:?}") };
        assert_eq!((tcp.host.as_deref(), tcp.port, reply.code), (Some("10.20.30.10"), Some(49_670), Some(0)));
        assert_eq!(
            (pipe.protocol, pipe.pipe.as_deref(), pipe.host.as_deref()),
            ("ncacn_np", Some("\\PIPE\\atsvc"), Some("\\\\SRV01"))
        );
        for len in 0..stub.len() {
            let _ = response(EPMAPPER, 3, &stub[..len], how);
        }
        // ept_lookup: entries with annotations, towers behind all of them; one of them is pointed at twice.
        let mut writer = Writer::new(how);
        writer.handle(1).u32(3).count(500).count(0).count(3);
        for (referent, annotation) in [(1, &b"Task\0"[..]), (2, b"\0"), (1, b"again\0")] {
            writer.pad().uuid(0).count(referent).count(0).count(annotation.len()).raw(annotation);
        }
        for tower in &towers {
            argument(&mut writer, tower);
        }
        writer.u32(0);
        let reply = response(EPMAPPER, 2, &writer.bytes, how).unwrap();
        assert_eq!(reply.endpoints.len(), 2, "{how:?}");
        assert_eq!(reply.endpoints[1].pipe.as_deref(), Some("\\PIPE\\atsvc"));
    }
}

#[test]
fn more_towers_than_are_kept_do_no_harm() {
    let tower = tower(TASKS, &[(7, &[0xc2, 0x06]), (9, &[10, 20, 30, 10])]);
    let mut writer = Writer::new(HOW[0]);
    writer.handle(0).u32(600).count(600).count(0).count(600);
    for _ in 0..600 {
        writer.pointer();
    }
    for _ in 0..600 {
        argument(writer.align(4), &tower);
    }
    let reply = response(EPMAPPER, 3, &writer.align(4).u32(0).bytes, HOW[0]).unwrap();
    assert_eq!(reply.endpoints.len(), 512);
    assert!(reply.endpoints.iter().all(|one| one.port == Some(49_670)));
}
