//! The conditions 9403001 to 9403007 on what content was unfolded to.

use std::sync::LazyLock;

use super::metas;
use crate::Meta;
use crate::content::powershell::Use::{self, Called, Named, Said};
use crate::content::{Called as Call, ContentConfig, Unfolding, arguments};

/// Names that the conditions rest on, in lower case, by condition.
const POWERTRASH: [&str; 6] = [
    "frombase64string",
    "deflatestream",
    "gzipstream",
    "getdelegateforfunctionpointer",
    "globalassemblycache",
    "definedynamicassembly",
];
const POWERHOLD: [&str; 4] = ["mainpayload", "writeallbytes", "wscript.exe", "appdata"];
const DECRYPTION: [&str; 2] = ["veeam.backup.common.protectedstorage", "getlocalstring"];
const BYPASS: [&str; 15] = [
    "amsiutils",
    "amsiinitfailed",
    "amsicontext",
    "amsisession",
    "setvalue",
    "writeint32",
    "writeintptr",
    "writebyte",
    "amsiscanbuffer",
    "virtualprotect",
    "getprocaddress",
    "enablescriptblocklogging",
    "cachedgrouppolicysettings",
    "psetwlogprovider",
    "m_enabled",
];
/// What changes a field: by reflection, or in memory.
const SETTERS: [&str; 4] = ["setvalue", "writeint32", "writeintptr", "writebyte"];
/// Commands and methods that fetch to a file.
const TO_FILE: [&str; 3] = ["downloadfile", "invoke-webrequest", "start-bitstransfer"];

/// All of them.
pub static NAMES: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| [&POWERTRASH[..], &POWERHOLD, &DECRYPTION, &BYPASS, &[LOADER], &TO_FILE].concat());

/// The end of the loader's file name.
const LOADER: &str = "_64refl.ps1";
/// Programs that fetch what is named behind them.
const FETCHERS: [&str; 4] = ["curl", "wget", "bitsadmin", "certutil"];
/// Folders of a drive share in which intruders drop scripts.
const DROPS: [&str; 5] = ["windows", "temp", "users", "programdata", "perflogs"];

/// A condition that is met.
#[derive(Clone, Debug)]
pub struct Told {
    /// Which.
    pub meta: &'static Meta,
    /// Severity, where it is not the usual one.
    pub severity: Option<u8>,
    /// The layer in which it was seen; nothing for the content itself.
    pub layer: Option<usize>,
    /// What it rests on, by name.
    pub evidence: Vec<(&'static str, Vec<String>)>,
}

/// The conditions that content meets, each once.
#[must_use]
pub fn conditions(of: &Unfolding, config: &ContentConfig) -> Vec<Told> {
    [powertrash(of), powerhold(of), cradle(of, config), encoded(of), lateral(of), decryption(of), bypass(of)]
        .into_iter()
        .flatten()
        .collect()
}

fn told(meta: &'static Meta, layer: Option<usize>, evidence: Vec<(&'static str, Vec<String>)>) -> Told {
    Told { meta, severity: None, layer, evidence }
}

/// The condition rests on names: all that are used, and the layer of the last of them.
fn by_names(of: &Unfolding, meta: &'static Meta, names: &[&str]) -> Told {
    let used: Vec<(&str, Option<usize>)> =
        names.iter().filter_map(|name| of.names.get(name).map(|(_, layer)| (*name, *layer))).collect();
    let layer = used.iter().filter_map(|(_, layer)| *layer).max();
    told(meta, layer, vec![("tokens", used.into_iter().map(|(name, _)| name.to_owned()).collect())])
}

fn powertrash(of: &Unfolding) -> Option<Told> {
    let unpacks = of.has("frombase64string", Said) && (of.has("deflatestream", Said) || of.has("gzipstream", Said));
    let delegate = of.has("getdelegateforfunctionpointer", Said);
    let reflects = of.has("globalassemblycache", Named) && of.has("definedynamicassembly", Named);
    // One alone, or unpacking alone, is in many ordinary modules.
    if (unpacks && delegate) || (reflects && (unpacks || delegate)) {
        return Some(by_names(of, &metas::POWERTRASH, &POWERTRASH));
    }
    let (name, layer) = loader(of)?;
    Some(told(&metas::POWERTRASH, layer, vec![("file", vec![name])]))
}

/// A script named as the loader, where it is run or fetched.
fn loader(of: &Unfolding) -> Option<(String, Option<usize>)> {
    let is = |text: &str| text.to_ascii_lowercase().contains(LOADER);
    let file =
        of.calls.iter().find_map(|call| call.invocation.file.as_ref().filter(|file| is(file)).map(|file| (file, call.layer)));
    if let Some((file, layer)) = file {
        return Some((last_part(file), layer));
    }
    // What a download cradle fetches and runs is told as the cradle, with its address.
    if of.cradles.iter().any(|(url, _)| is(url)) {
        return None;
    }
    let fetches = TO_FILE.iter().any(|name| of.has(name, Called));
    let lines = || of.lines.iter().filter(|(line, _)| is(line));
    let is_fetcher = |line: &str| line.split_whitespace().next().is_some_and(|first| FETCHERS.contains(&&*program(first)));
    let known = of.names.get(LOADER).filter(|(how, _)| *how >= Called || fetches).map(|(_, layer)| *layer);
    // The name alone, as a word of prose or in a list, does nothing.
    let layer = known.or_else(|| lines().find(|(line, _)| is_fetcher(line)).map(|(_, layer)| *layer))?;
    let word = lines().flat_map(|(line, _)| arguments(line)).find(|word| is(word)).unwrap_or_else(|| LOADER.to_owned());
    Some((last_part(&word), layer))
}

/// The condition that a file meets by its name alone: a carrier of files knows it.
#[must_use]
pub fn loader_named(name: &str) -> Told {
    told(&metas::POWERTRASH, None, vec![("file", vec![last_part(name)])])
}

/// The name of a program in a path.
fn program(path: &str) -> String {
    let name = path.trim_matches('"').rsplit(['\\', '/']).next().unwrap_or_default().to_ascii_lowercase();
    name.strip_suffix(".exe").unwrap_or(&name).to_owned()
}

/// The name at the end of a path or address.
fn last_part(path: &str) -> String {
    let end = path.to_ascii_lowercase().find(LOADER).map_or(path.len(), |at| at + LOADER.len());
    let path = path.get(..end).unwrap_or(path);
    path.rsplit(['/', '\\', '\'', '"', ' ']).next().unwrap_or(path).to_owned()
}

fn powerhold(of: &Unfolding) -> Option<Told> {
    let all =
        of.has("mainpayload", Named) && of.has("writeallbytes", Named) && of.has("wscript.exe", Said) && of.has("appdata", Said);
    all.then(|| by_names(of, &metas::POWERHOLD, &POWERHOLD))
}

fn cradle(of: &Unfolding, config: &ContentConfig) -> Option<Told> {
    let (_, layer) = of.cradles.first()?;
    let urls = of.cradles.iter().map(|(url, _)| url.clone()).filter(|url| !url.is_empty());
    let severity = of.cradles.iter().all(|(url, _)| is_installer(url, config)).then_some(3);
    Some(Told { severity, ..told(&metas::CRADLE, *layer, vec![("urls", urls.collect())]) })
}

/// Whether an address is that of a published installer. Nobody but its maker answers there: HTTPS only.
fn is_installer(url: &str, config: &ContentConfig) -> bool {
    let rest = url.get(..8).filter(|scheme| scheme.eq_ignore_ascii_case("https://")).and_then(|_| url.get(8..));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#', '\\']).next()).unwrap_or_default();
    let host = host.strip_suffix(":443").unwrap_or(host);
    !host.is_empty() && config.installer_hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
}

fn encoded(of: &Unfolding) -> Option<Told> {
    let hides = |call: &Call| call.invocation.flags.iter().any(|flag| *flag != "noprofile");
    let all = || {
        of.calls
            .iter()
            .filter(|call| call.invocation.encoded.as_ref().is_some_and(|code| code.len() >= 8) && call.layer.is_some())
    };
    let flags = |call: &Call| call.invocation.flags.iter().map(|flag| (*flag).to_owned()).collect();
    if let Some(call) = all().find(|call| hides(call)) {
        return Some(told(&metas::ENCODED, call.layer, vec![("flags", flags(call))]));
    }
    let call = all().find(|call| call.direct)?;
    Some(Told { severity: Some(3), ..told(&metas::ENCODED, call.layer, vec![("flags", flags(call))]) })
}

fn lateral(of: &Unfolding) -> Option<Told> {
    of.calls.iter().find_map(|call| {
        let invocation = &call.invocation;
        let code = invocation.command.as_deref().map(|code| code.trim_start_matches(['&', '.', ' ', '\'', '"']));
        let code = code.map(|code| code.split(['\'', '"', ';']).next().unwrap_or(code));
        let path = invocation.file.as_deref().into_iter().chain(code).find(|path| is_drop(path))?;
        let dropped = invocation.flags.contains(&"bypass") || (is_random(path) && !invocation.flags.is_empty());
        let flags = invocation.flags.iter().map(|flag| (*flag).to_owned()).collect();
        dropped.then(|| told(&metas::LATERAL, call.layer, vec![("file", vec![path.to_owned()]), ("flags", flags)]))
    })
}

/// `\\host\ADMIN$\….ps1`, or a folder of a drive share where scripts are dropped.
fn is_drop(path: &str) -> bool {
    let path = path.trim().replace('/', "\\").to_ascii_lowercase();
    let path = path.strip_prefix(r"\\?\unc").map_or(path.as_str(), |_| path.get(7..).unwrap_or_default());
    let mut parts = path.trim_start_matches('\\').split('\\').filter(|part| !part.is_empty());
    let (Some(_), Some(share), Some(first)) = (parts.next(), parts.next(), parts.next()) else { return false };
    let last = parts.next_back().unwrap_or(first);
    let is_drive = matches!(share.as_bytes(), [letter, b'$'] if letter.is_ascii_alphabetic());
    let is_script = last.split([' ', '\t']).next().is_some_and(|last| last.ends_with(".ps1"));
    is_script && (share == "admin$" || (is_drive && DROPS.contains(&first)))
}

/// Twelve letters and digits, as the intruders name their scripts.
fn is_random(path: &str) -> bool {
    let name = path.rsplit(['\\', '/']).next().unwrap_or_default();
    name.split('.').next().is_some_and(|stem| stem.len() == 12 && stem.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn decryption(of: &Unfolding) -> Option<Told> {
    let [class, method] = DECRYPTION;
    let uses = |least: Use, other: Use| of.has(class, least) && of.has(method, other);
    (uses(Said, Called) || uses(Named, Said)).then(|| by_names(of, &metas::DECRYPTION, &DECRYPTION))
}

fn bypass(of: &Unfolding) -> Option<Told> {
    let sets = SETTERS.iter().any(|name| of.has(name, Called));
    let amsi = of.has("amsiutils", Said)
        && ["amsiinitfailed", "amsicontext", "amsisession"].iter().any(|field| of.has(field, Said))
        && sets;
    let patch = of.has("amsiscanbuffer", Said) && of.has("virtualprotect", Said) && of.has("getprocaddress", Said);
    let logging = (of.has("enablescriptblocklogging", Said) && of.has("cachedgrouppolicysettings", Said))
        || (of.has("psetwlogprovider", Said) && of.has("m_enabled", Said) && sets);
    if amsi || patch || logging {
        return Some(by_names(of, &metas::BYPASS, &BYPASS));
    }
    let layer = of.loads?;
    Some(told(&metas::BYPASS, layer, vec![("tokens", vec!["assembly.load".to_owned()])]))
}
