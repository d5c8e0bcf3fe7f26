//! Activation, references and resolution.

use super::*;
use crate::dcerpc::calls::names::{ACTIVATION, ACTIVATOR, EXPORTER, REM_UNKNOWN, WBEM_LOGIN, WBEM_SERVICES};

const CLASS: u128 = 0x8bc3_f05e_d86b_11d0_a075_00c0_4fb6_8820;
const IPID: u128 = 0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f;
const PROPERTIES: u128 = 0x0000_0338_0000_0000_c000_0000_0000_0046;

/// What stands before the arguments, with an extension that has to be stepped over.
pub fn this(writer: &mut Writer) {
    writer.u16(5).u16(7).u32(0).u32(0).uuid(IPID).pointer();
    writer.pad().u32(1).u32(0).pointer().count(2).pointer().null();
    writer.count(8).uuid(1).u32(3).raw(b"extent..");
}

fn that(writer: &mut Writer) {
    writer.u32(0).null();
}

/// A reference that carries its object.
pub fn custom(class: u128, data: &[u8]) -> Vec<u8> {
    let mut out = Writer::new(HOW[0]);
    out.raw(b"MEOW").u32(4).uuid(1).uuid(class).u32(0).u32(u32::try_from(data.len()).unwrap()).raw(data);
    out.bytes
}

pub fn interface_pointer(writer: &mut Writer, reference: &[u8]) {
    writer.count(reference.len()).u32(u32::try_from(reference.len()).unwrap()).raw(reference);
}

fn units(text: &[&str]) -> Vec<u16> {
    let mut out = Vec::new();
    for address in text {
        out.push(7);
        out.extend(address.encode_utf16().chain([0]));
    }
    out.push(0);
    out
}

fn standard(interface: u128) -> Vec<u8> {
    let mut out = Writer::new(HOW[0]);
    out.raw(b"MEOW").u32(1).uuid(interface).u32(0).u32(5).u64(0xabcd).u64(2).uuid(IPID);
    let units = units(&["SRV01[49670]"]);
    let len = u16::try_from(units.len()).unwrap();
    out.u16(len).u16(len);
    for unit in units {
        out.u16(unit);
    }
    out.bytes
}

/// Type serialization 1 of what is written.
fn serialized(order: u8, write: impl Fn(&mut Writer)) -> Vec<u8> {
    let how = Marshalling { little: order == 0x10, ndr64: false };
    let mut body = Writer::new(how);
    write(&mut body);
    body.align(8);
    let mut out = Writer::new(how);
    out.raw(&[1, order, 8, 0, 0xcc, 0xcc, 0xcc, 0xcc]).u32(u32::try_from(body.bytes.len()).unwrap()).u32(0).raw(&body.bytes);
    out.bytes
}

/// The blob of an activation with these properties.
fn blob(properties: &[(u128, Vec<u8>)]) -> Vec<u8> {
    let header = |size: u32| {
        serialized(0x10, |writer| {
            writer.u32(0).u32(size).u32(0).u32(2).u32(u32::try_from(properties.len()).unwrap()).uuid(0);
            writer.pointer().pointer().null().count(properties.len());
            for (class, _) in properties {
                writer.uuid(*class);
            }
            writer.count(properties.len());
            for (_, property) in properties {
                writer.u32(u32::try_from(property.len()).unwrap());
            }
        })
    };
    let header = header(u32::try_from(header(0).len()).unwrap());
    let mut out = Writer::new(HOW[0]);
    out.u32(0).u32(0).raw(&header);
    for (_, property) in properties {
        out.raw(property);
    }
    custom(PROPERTIES, &out.bytes)
}

fn property(number: u32) -> u128 {
    u128::from(number) << 96 | 0xc000_0000_0000_0046
}

#[test]
fn what_is_activated_is_read_out_of_the_properties() {
    for order in [0x10, 0] {
        let request = blob(&[
            (property(0x1b9), vec![0; 24]),
            (
                property(0x1ab),
                serialized(order, |writer| {
                    writer.uuid(CLASS).u32(0x14).u32(0).u32(0).u32(2).u32(0).pointer().u32(88).u16(5).u16(7);
                    writer.count(2).uuid(WBEM_LOGIN).uuid(IPID);
                }),
            ),
            (
                property(0x1a6),
                serialized(order, |writer| {
                    writer.u32(0).pointer().null().u32(0).pointer().null().u32(0).wide("SRV01");
                }),
            ),
            (
                property(0x1ad),
                serialized(order, |writer| {
                    writer.pointer().u32(0).null().null().wide("C:\\x.xls");
                }),
            ),
        ]);
        let write = |writer: &mut Writer| {
            this(writer);
            writer.null().pointer();
            interface_pointer(writer, &request);
        };
        each_way(ACTIVATOR, 4, write, |call| {
            let Asked::Object(Object::Activate(activation)) = &call.what else { panic!("{call:?}") };
            assert_eq!((activation.class, activation.interfaces.as_slice()), (Some(CLASS), &[WBEM_LOGIN, IPID][..]));
            assert_eq!(activation.server.as_ref().unwrap().text, "SRV01");
            assert_eq!(activation.file.as_ref().unwrap().text, "C:\\x.xls");
            assert_eq!(call.fields().get("class_name"), Some(&Value::from("WbemLevel1Login")));
        });
    }
    let write = |writer: &mut Writer| {
        this(writer);
        writer.uuid(CLASS).unique_wide("C:\\x.xls").null().u32(2).u32(0).u32(1).pointer().count(1).uuid(WBEM_LOGIN);
        writer.u16(1).count(1).u16(7);
    };
    each_way(ACTIVATION, 0, write, |call| {
        let Asked::Object(Object::Activate(activation)) = &call.what else { panic!("{call:?}") };
        assert_eq!((activation.class, activation.interfaces.as_slice()), (Some(CLASS), &[WBEM_LOGIN][..]));
    });
}

#[test]
fn answers_hand_out_endpoints_and_pointers() {
    let answer = blob(&[
        (
            property(0x1b6),
            serialized(0x10, |writer| {
                writer.null().pointer().u64(0xabcd).pointer().uuid(IPID).u32(5).u16(5).u16(7);
                let units = units(&["10.20.30.10[49670]", "SRV01[49670]"]);
                writer.count(units.len()).u16(u16::try_from(units.len()).unwrap()).u16(u16::try_from(units.len()).unwrap());
                for unit in units {
                    writer.u16(unit);
                }
            }),
        ),
        (
            property(0x339),
            serialized(0x10, |writer| {
                writer.u32(1).pointer().pointer().pointer().count(1).uuid(WBEM_LOGIN).count(1).u32(0).count(1).pointer();
                interface_pointer(writer, &standard(WBEM_LOGIN));
            }),
        ),
    ]);
    let remote = standard(WBEM_SERVICES);
    for how in HOW {
        let mut writer = Writer::new(how);
        that(&mut writer);
        writer.pointer();
        interface_pointer(&mut writer, &answer);
        let stub = writer.align(4).u32(0).bytes.clone();
        let reply = response(ACTIVATOR, 4, &stub, how).unwrap();
        assert_eq!((reply.endpoints.len(), reply.code), (2, Some(0)));
        assert_eq!((reply.endpoints[0].host.as_deref(), reply.endpoints[0].port), (Some("10.20.30.10"), Some(49_670)));
        let [object] = reply.objects.as_slice() else { panic!("{reply:?}") };
        assert_eq!((object.interface, object.ipid, object.oxid), (WBEM_LOGIN, IPID, 0xabcd));
        assert_eq!(object.bindings[0].host.as_deref(), Some("SRV01"));
        for len in 0..stub.len() {
            let _ = response(ACTIVATOR, 4, &stub[..len], how).map(|reply| reply.fields());
        }

        // A login hands out the services.
        let mut writer = Writer::new(how);
        that(&mut writer);
        writer.pointer();
        interface_pointer(&mut writer, &remote);
        let reply = response(WBEM_LOGIN, 6, &writer.align(4).u32(0).bytes, how).unwrap();
        assert_eq!(reply.objects[0].interface, WBEM_SERVICES);

        // A resolver knows where an exporter listens.
        let mut writer = Writer::new(how);
        let units = units(&["10.20.30.10[135]", "SRV01"]);
        let len = u16::try_from(units.len()).unwrap();
        writer.u16(5).u16(7).pointer().count(units.len()).u16(len).u16(len);
        for unit in units {
            writer.u16(unit);
        }
        writer.null().u32(0);
        let reply = response(EXPORTER, 5, &writer.bytes, how).unwrap();
        assert_eq!((reply.endpoints[0].port, reply.endpoints[1].port), (Some(135), None), "{how:?}");

        // Of two interfaces one is not there.
        let mut writer = Writer::new(how);
        that(&mut writer);
        writer.pointer().count(2);
        for result in [0, 0x8000_4002] {
            writer.align(8).u32(result).align(8).u32(0).u32(5).u64(0xabcd).u64(2).uuid(IPID);
        }
        let reply = response(REM_UNKNOWN, 3, &writer.u32(0).bytes, how).unwrap();
        assert_eq!(reply.objects.iter().map(|object| object.ipid).collect::<Vec<_>>(), [IPID]);
    }
}

#[test]
fn references_are_asked_for_and_let_go() {
    let write = |writer: &mut Writer| {
        this(writer);
        writer.uuid(IPID).u32(5).u16(1).count(1).uuid(WBEM_LOGIN);
    };
    each_way(REM_UNKNOWN, 3, write, |call| {
        assert_eq!(call.what, Asked::Object(Object::Query { ipid: IPID, interfaces: vec![WBEM_LOGIN] }));
    });
    let write = |writer: &mut Writer| {
        this(writer);
        writer.u16(1).count(1).uuid(IPID).u32(5).u32(0);
    };
    each_way(REM_UNKNOWN, 5, write, |call| assert_eq!(call.what, Asked::Object(Object::References(vec![IPID]))));
    let write = |writer: &mut Writer| {
        writer.u64(0xabcd).u16(1).count(1).u16(7);
    };
    each_way(EXPORTER, 4, write, |call| assert_eq!(call.what, Asked::Object(Object::Resolve(0xabcd))));
}
