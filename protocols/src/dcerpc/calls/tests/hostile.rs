//! Bytes that nobody marshalled.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::dcerpc::calls::names;

const ALL: [&str; 12] = [
    "svcctl",
    "atsvc",
    "ITaskSchedulerService",
    "winreg",
    "epmapper",
    "srvsvc",
    "wkssvc",
    "IRemoteActivation",
    "IRemoteSCMActivator",
    "IObjectExporter",
    "IWbemLevel1Login",
    "IWbemServices",
];

fn read(interface: u128, opnum: u16, stub: &[u8], how: Marshalling) {
    if let Some(call) = request(interface, opnum, stub, how) {
        let held: usize = call.texts().iter().map(|one| one.text.len()).sum();
        // Characters of 8 bits may take 16, and program and arguments of a task are joined.
        assert!(held <= 4 * stub.len() + 64 * 1_024, "{held} of {}", stub.len());
        let _ = (call.fields(), call.handle());
    }
    let _ = response(interface, opnum, stub, how).map(|reply| reply.fields());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_panic(
        which in 0..ALL.len(), opnum in 0_u16..64, how in 0_usize..4, stub in vec(prop_oneof![Just(0_u8), Just(1), Just(0xff), any::<u8>()], 0..400),
    ) {
        read(names::by_name(ALL[which]).unwrap(), opnum, &stub, HOW[how]);
    }

    #[test]
    fn no_change_of_a_stub_panics(line in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), to in any::<[u8; 4]>()) {
        let lines: Vec<&str> = include_str!("stubs.txt").lines().filter(|line| !line.starts_with('#')).collect();
        let [name, opnum, marshalling, stub] = line.get(&lines).split(' ').collect::<Vec<_>>().try_into().unwrap();
        let mut stub = data_encoding::HEXLOWER.decode(stub.as_bytes()).unwrap();
        let at = at.index(stub.len());
        stub.iter_mut().skip(at).zip(to).for_each(|(byte, to)| *byte = to);
        read(names::by_name(name).unwrap(), opnum.parse().unwrap(), &stub, Marshalling { little: true, ndr64: marshalling == "ndr64" });
    }
}
