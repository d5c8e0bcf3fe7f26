//! Calls of WMI, and the objects in them.

use super::objects::{custom, interface_pointer, this};
use super::*;
use crate::dcerpc::calls::names::{WBEM_LOGIN, WBEM_SERVICES};
use crate::dcerpc::calls::wmio;

const CLASS_OBJECT: u128 = 0x4590_f812_1d3a_11d0_891f_00aa_004b_2e24;

/// A value as a test writes it.
#[derive(Clone)]
enum Is {
    Narrow(&'static str),
    Wide(&'static str),
    Texts(&'static [&'static str]),
    Number(u32),
    Truth(bool),
    Null,
    /// As the class has it, which is this.
    Inherited(&'static str),
}

fn encoded(text: &str, wide: bool) -> Vec<u8> {
    if wide {
        [vec![1], text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()].concat()
    } else {
        [vec![0], text.chars().map(|one| u8::try_from(u32::from(one)).unwrap()).collect(), vec![0]].concat()
    }
}

fn put(heap: &mut Vec<u8>, bytes: &[u8]) -> u32 {
    let at = u32::try_from(heap.len()).unwrap();
    heap.extend_from_slice(bytes);
    at
}

fn le(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap().to_le_bytes()
}

fn heap(bytes: &[u8]) -> Vec<u8> {
    [&(u32::try_from(bytes.len()).unwrap() | 0x8000_0000).to_le_bytes()[..], bytes].concat()
}

/// Tables of a class, or of an instance: two bits and a value each; strings go to the heap.
fn table(properties: &[(&str, Is)], into: &mut Vec<u8>, of_class: bool) -> Vec<u8> {
    let mut bits = vec![0_u8; properties.len().div_ceil(4)];
    let mut values = Vec::new();
    for (order, (_, is)) in properties.iter().enumerate() {
        let (state, value) = match (is, of_class) {
            (Is::Inherited(text), true) => (0, put(into, &encoded(text, false))),
            (_, true) | (Is::Null, false) => (1, u32::MAX),
            (Is::Inherited(_), false) => (2, 0),
            (Is::Narrow(text), false) => (0, put(into, &encoded(text, false))),
            (Is::Wide(text), false) => (0, put(into, &encoded(text, true))),
            (Is::Number(number), false) => (0, *number),
            (Is::Truth(truth), false) => (0, if *truth { 0xffff } else { 0 }),
            (Is::Texts(texts), false) => {
                let refs: Vec<u8> = texts.iter().flat_map(|text| put(into, &encoded(text, false)).to_le_bytes()).collect();
                (0, put(into, &[&le(texts.len())[..], &refs].concat()))
            }
        };
        bits[order / 4] |= state << ((order % 4) * 2);
        values.extend(value.to_le_bytes());
    }
    [bits, values].concat()
}

fn part(name: &str, properties: &[(&str, Is)]) -> Vec<u8> {
    let mut strings = Vec::new();
    let name = put(&mut strings, &encoded(name, false));
    let mut lookup = Vec::new();
    for (order, (name, is)) in properties.iter().enumerate() {
        let kind: u32 = match is {
            Is::Number(_) => 19,
            Is::Truth(_) => 11,
            Is::Texts(_) => 0x2008,
            Is::Inherited(_) => 0x4008,
            _ => 8,
        };
        let name = put(&mut strings, &encoded(name, false));
        let info =
            [&kind.to_le_bytes()[..], &u16::try_from(order).unwrap().to_le_bytes(), &le(order * 4), &le(0), &le(4)].concat();
        let info = put(&mut strings, &info);
        lookup.extend(name.to_le_bytes().into_iter().chain(info.to_le_bytes()));
    }
    let values = table(properties, &mut strings, true);
    let body = [&le(4)[..], &le(4), &le(properties.len()), &lookup, &values, &heap(&strings)].concat();
    [&le(body.len() + 13)[..], &[0], &name.to_le_bytes(), &le(values.len()), &body].concat()
}

fn unit(block: &[u8]) -> Vec<u8> {
    [&0x1234_5678_u32.to_le_bytes()[..], &le(block.len()), block].concat()
}

fn instance(class: &str, properties: &[(&str, Is)], decorated: bool) -> Vec<u8> {
    let mut strings = Vec::new();
    let name = put(&mut strings, &encoded(class, false));
    let values = table(properties, &mut strings, false);
    // Properties have qualifiers of their own, all of them empty.
    let qualifiers = [le(4).to_vec(), vec![2], le(4).repeat(properties.len())].concat();
    let body = [&[0][..], &name.to_le_bytes(), &values, &qualifiers, &heap(&strings)].concat();
    let decoration = if decorated { [vec![6], encoded("SRV01", false), encoded("ROOT\\é", true)].concat() } else { vec![2] };
    unit(&[decoration, part(class, properties), le(body.len() + 4).to_vec(), body].concat())
}

fn bstr(writer: &mut Writer, text: &str) {
    let len = text.encode_utf16().count();
    writer.pointer().count(len).u32(u32::try_from(len * 2).unwrap()).u32(u32::try_from(len).unwrap()).units(text);
}

fn method(writer: &mut Writer, input: &[u8]) {
    this(writer);
    bstr(writer, "Win32_Process");
    bstr(writer, "Create");
    writer.u32(0).null().pointer();
    interface_pointer(writer, input);
    writer.null().null();
}

#[test]
fn a_method_says_its_class_and_its_input() {
    for (command, decorated) in [(Is::Narrow("cmd.exe /Q /c echo é"), false), (Is::Wide("cmd.exe /Q /c echo é"), true)] {
        let properties = [
            ("CommandLine", command),
            ("CurrentDirectory", Is::Inherited("C:\\")),
            ("ProcessStartupInformation", Is::Null),
            ("Flags", Is::Number(0xffff_ffff)),
            ("Hidden", Is::Truth(true)),
            ("List", Is::Texts(&["one", "two"])),
        ];
        let input = custom(CLASS_OBJECT, &instance("__PARAMETERS", &properties, decorated));
        each_way(
            WBEM_SERVICES,
            24,
            |writer| method(writer, &input),
            |call| {
                let Asked::Wmi(Wmi::Method(method)) = &call.what else { panic!("{call:?}") };
                let input = method.input.as_ref().unwrap();
                assert_eq!((input.class.as_str(), input.is_class, input.truncated), ("__PARAMETERS", false, false));
                assert_eq!(input.property("flags"), Some(&Datum::Number(0xffff_ffff)));
                assert_eq!(input.property("Hidden"), Some(&Datum::Truth(true)));
                assert_eq!(input.property("ProcessStartupInformation"), None);
                let texts = run(call);
                assert_eq!(texts[0], ("wmi_command_line", "cmd.exe /Q /c echo é".to_owned()));
                let rest: Vec<_> = texts[1..].iter().map(|(what, text)| (*what, text.as_str())).collect();
                assert_eq!(rest, [("wmi_argument", "C:\\"), ("wmi_argument", "one"), ("wmi_argument", "two")]);
            },
        );
    }
}

#[test]
fn consumers_of_events_are_read_where_they_are_put() {
    let consumer = [("Name", Is::Narrow("Upd")), ("CommandLineTemplate", Is::Narrow("cmd /c echo backstop"))];
    let script = [("ScriptingEngine", Is::Narrow("VBScript")), ("ScriptText", Is::Wide("MsgBox 1"))];
    for (class, properties, expected) in [
        ("CommandLineEventConsumer", consumer, ("wmi_command_line", "cmd /c echo backstop")),
        ("ActiveScriptEventConsumer", script, ("wmi_script", "MsgBox 1")),
    ] {
        let object = custom(CLASS_OBJECT, &instance(class, &properties, true));
        let write = |writer: &mut Writer| {
            this(writer);
            writer.pointer();
            interface_pointer(writer, &object);
            writer.align(4).u32(0).null().null();
        };
        each_way(WBEM_SERVICES, 14, write, |call| {
            assert!(run(call).contains(&(expected.0, expected.1.to_owned())), "{call:?}");
            let Some(Value::Object(object)) = call.fields().get("object").cloned() else { panic!("{call:?}") };
            assert_eq!(object.get("class"), Some(&Value::from(class)));
        });
    }
    // A class that is put: of its parent nothing is taken.
    let methods = [&le(12)[..], &[0; 4], &heap(&[])].concat();
    let block =
        [vec![1], part("Parent", &[]), methods.clone(), part("Child", &[("Payload", Is::Inherited("text"))]), methods].concat();
    let object = wmio::read(&unit(&block)).unwrap();
    assert_eq!((object.class.as_str(), object.is_class), ("Child", true));
    assert_eq!(object.property("Payload"), Some(&Datum::Text(Text { text: "text".to_owned(), truncated: false })));
}

#[test]
fn queries_logins_and_answers_are_read() {
    let write = |writer: &mut Writer| {
        this(writer);
        bstr(writer, "WQL");
        bstr(writer, "SELECT * FROM __InstanceCreationEvent");
        writer.u32(0x30).null();
    };
    each_way(WBEM_SERVICES, 22, write, |call| {
        assert_eq!(run(call), [("wmi_query", "SELECT * FROM __InstanceCreationEvent".to_owned())]);
        assert!(matches!(&call.what, Asked::Wmi(Wmi::Query { notification: true, .. })));
    });
    let write = |writer: &mut Writer| {
        this(writer);
        writer.unique_wide("//./ROOT/CIMV2").null().u32(0).null();
    };
    each_way(WBEM_LOGIN, 6, write, |call| {
        assert_eq!(call.fields().get("namespace"), Some(&Value::from("//./ROOT/CIMV2")));
    });
    let output = custom(
        CLASS_OBJECT,
        &instance("__PARAMETERS", &[("ProcessId", Is::Number(4_711)), ("ReturnValue", Is::Number(0))], false),
    );
    for how in HOW {
        let mut writer = Writer::new(how);
        writer.u32(0).null().pointer().pointer();
        interface_pointer(&mut writer, &output);
        writer.null().u32(0);
        let reply = response(WBEM_SERVICES, 24, &writer.bytes, how).unwrap();
        assert_eq!(reply.output.unwrap().property("ProcessId"), Some(&Datum::Number(4_711)), "{how:?}");
    }
}

#[test]
fn an_object_that_leads_nowhere_is_told() {
    let good = instance("__PARAMETERS", &[("CommandLine", Is::Narrow("cmd")), ("Other", Is::Narrow("x"))], false);
    // Each byte once turned over: no panic, and the text is either there or something is missing or different.
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0xff;
        let _ = wmio::read(&bad).map(|object| object.fields());
        let _ = wmio::read(&good[..at]).map(|object| object.fields());
    }
    let input = custom(CLASS_OBJECT, b"no object at all");
    let mut writer = Writer::new(HOW[0]);
    method(&mut writer, &input);
    let call = request(WBEM_SERVICES, 24, &writer.bytes, HOW[0]).unwrap();
    assert!(call.truncated && run(&call).is_empty());
    // An extension that is told and not there does not hide the object.
    let mut input = custom(CLASS_OBJECT, &good);
    input[40] = 4;
    let mut writer = Writer::new(HOW[0]);
    method(&mut writer, &input);
    let call = request(WBEM_SERVICES, 24, &writer.bytes, HOW[0]).unwrap();
    assert_eq!(run(&call)[0], ("wmi_command_line", "cmd".to_owned()));
}

#[test]
fn many_references_to_one_text_do_not_multiply_it() {
    let long: &'static str = "x".repeat(90_000).leak();
    let names: Vec<String> = (0..200).map(|number| format!("P{number}")).collect();
    let mut properties: Vec<(&str, Is)> = names.iter().map(|name| (name.as_str(), Is::Narrow("x"))).collect();
    properties[0].1 = Is::Narrow(long);
    let mut bytes = instance("C", &properties, false);
    // All values point where the first does.
    let class = part("C", &properties).len();
    let table = 9 + class + 9 + 50;
    let first = bytes[table..table + 4].to_vec();
    for value in bytes[table..table + 800].chunks_mut(4) {
        value.copy_from_slice(&first);
    }
    let object = wmio::read(&bytes).unwrap();
    assert_eq!(object.properties.len(), 200);
    let held: usize = object.texts().map(|(_, text)| text.text.len()).sum();
    assert!((90_000..=192 * 1024).contains(&held), "{held}");
    assert!(object.texts().last().unwrap().1.truncated);
}
