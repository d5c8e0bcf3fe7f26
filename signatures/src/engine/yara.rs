//! The engine: YARA-X compiles and scans. The only file that knows its run-time types.
//!
//! Known limits: includes are off; the time limit works in whole seconds; of one string at most [`MATCHES_IN_CONTENT`] or
//! [`MATCHES_IN_WINDOW`] places are kept, and a condition counts no further than that.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use yara_x_parser::ast::{AST, MetaValue as AstMeta, Rule, WithSpan as _};

use super::{Built, Places, requirement};
use crate::error::{RuleError, ScanError};
use crate::info::{self, MetaValue};
use crate::matches::{RuleInfo, Scope};
use crate::source::{SHIPPED_NAMESPACE, Source, line_and_column, nested_too_deep};

/// Part of a cache file's key; a test compares it with the lock file.
pub(crate) const ENGINE_VERSION: &str = "yara-x 1.22.1";

/// Places kept of one string in a content. The engine stops sooner where the condition needs fewer (`fast_scan`), so this bounds
/// only rules that count: lower, and `#a > 100` of a published rule could never hold.
const MATCHES_IN_CONTENT: usize = 1 << 16;
/// The same in a window of a stream, where each place counts and the engine does not stop sooner. More than a window of the default
/// size holds of any string of 16 bytes: a flood of harmless places must not hide the one after it.
const MATCHES_IN_WINDOW: usize = 4096;

/// Brackets within brackets of a condition; no rule of the public sets comes near.
const MAX_NESTING: usize = 300;
/// The compiler recurses with the condition.
const COMPILER_STACK: usize = 64 << 20;

/// Names that published rules expect to be defined.
const GLOBALS: [&str; 5] = ["filepath", "filename", "extension", "filetype", "owner"];

/// Compiled rules.
pub(crate) struct Compiled(yara_x::Rules);

impl Compiled {
    /// Compiles the sources, checks their metadata and reads what they need; on a thread of its own, for its stack.
    pub(crate) fn build(sources: &[Source]) -> Result<Built, RuleError> {
        for source in sources {
            if let Some(offset) = nested_too_deep(&source.text, MAX_NESTING) {
                let (line, column) = line_and_column(&source.text, offset);
                let message = format!("brackets are nested more than {MAX_NESTING} deep");
                return Err(RuleError::Rule { path: source.path.clone(), line, column, message, more: 0 });
            }
        }
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("rules".to_owned()).stack_size(COMPILER_STACK);
            match thread.spawn_scoped(scope, || Self::compile(sources)) {
                Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                // No thread to be had: the stack of this one does for rules as people write them.
                Err(_) => Self::compile(sources),
            }
        })
    }

    fn compile(sources: &[Source]) -> Result<Built, RuleError> {
        let mut survey = Survey::default();
        for source in sources {
            survey.file(source)?;
        }
        let mut compiler = yara_x::Compiler::new();
        compiler.enable_includes(false).error_on_slow_pattern(true).error_on_slow_loop(true).colorize_errors(false);
        for name in GLOBALS {
            // Fails only for a name that is no identifier or is defined twice.
            if compiler.define_global(name, "").is_err() {
                tracing::warn!(name, "a global of the rules could not be defined");
            }
        }
        for source in sources {
            compiler.new_namespace(&source.namespace);
            let before = compiler.errors().len();
            let code = yara_x::SourceCode::from(source.text.as_slice()).with_origin(source.path.to_string_lossy());
            if let Err(error) = compiler.add_source(code) {
                let more = compiler.errors().len().saturating_sub(before).saturating_sub(1);
                return Err(refusal(source, &error, more));
            }
        }
        let compiled = Self(compiler.build());
        for warning in compiled.0.warnings() {
            tracing::debug!(warning = warning.title(), "rule");
        }
        Ok(Built { compiled, stream_literals: survey.stream.literals(), content_literals: survey.content.literals() })
    }

    /// For the cache.
    pub(crate) fn serialize(&self) -> Option<Vec<u8>> {
        self.0.serialize().ok()
    }

    /// From a cache file that nobody else can have written: the format is trusted by design.
    pub(crate) fn deserialize(bytes: &[u8]) -> Option<Self> {
        yara_x::Rules::deserialize(bytes).ok().map(Self)
    }

    /// All rules in a fixed order. Private ones are among them and never match by themselves.
    pub(crate) fn infos(&self) -> Vec<RuleInfo> {
        self.0
            .iter()
            .map(|rule| {
                let tags: Vec<String> = rule.tags().map(|t| t.identifier().to_owned()).collect();
                let meta = rule.metadata().map(|(key, value)| (key.to_owned(), engine_meta(&value)));
                // Metadata was checked when the rules were compiled.
                info::rule_info(rule.identifier(), rule.namespace(), tags.clone(), meta).unwrap_or_else(|_| RuleInfo {
                    name: rule.identifier().to_owned(),
                    namespace: rule.namespace().to_owned(),
                    tags,
                    rev: 1,
                    severity: 2,
                    ..RuleInfo::default()
                })
            })
            .collect()
    }
}

/// A rule that matched, as the engine tells it.
pub(crate) struct Hit<'a, 'r>(yara_x::Rule<'a, 'r>);

impl<'r> Hit<'_, 'r> {
    pub(crate) fn namespace(&self) -> &str {
        self.0.namespace()
    }

    pub(crate) fn name(&self) -> &str {
        self.0.identifier()
    }

    /// Calls for each place of each string, private ones too, with the string's number, until false is returned. In the order of the
    /// strings, and of the places of each.
    pub(crate) fn each_string(&self, mut visit: impl FnMut(u32, &'r str, Range<usize>) -> bool) {
        for (number, pattern) in (0_u32..).zip(self.0.patterns().include_private(true)) {
            for found in pattern.matches() {
                if !visit(number, pattern.identifier(), found.range()) {
                    return;
                }
            }
        }
    }
}

/// One scanner; borrows the rules and stays on its thread.
pub(crate) struct Engine<'r>(yara_x::Scanner<'r>);

impl<'r> Engine<'r> {
    pub(crate) fn new(compiled: &'r Compiled, time_limit: Duration) -> Self {
        let mut scanner = yara_x::Scanner::new(&compiled.0);
        scanner.set_timeout(time_limit);
        Self(scanner)
    }

    pub(crate) fn scan(&mut self, bytes: &[u8], places: Places, mut hit: impl FnMut(&Hit<'_, 'r>)) -> Result<(), ScanError> {
        match places {
            Places::First => self.0.fast_scan(true).max_matches_per_pattern(MATCHES_IN_CONTENT),
            Places::All => self.0.fast_scan(false).max_matches_per_pattern(MATCHES_IN_WINDOW),
        };
        let results = self.0.scan(bytes).map_err(|e| match e {
            yara_x::ScanError::Timeout => ScanError::Timeout,
            _ => ScanError::Failed,
        })?;
        for rule in results.matching_rules() {
            hit(&Hit(rule));
        }
        Ok(())
    }

    /// Sets `filename` and `extension` for the scans that follow.
    pub(crate) fn set_file_name(&mut self, name: &str) {
        let extension = name.rsplit_once('.').map_or("", |(_, e)| e);
        let set = self.0.set_global("filename", name).is_ok() && self.0.set_global("extension", extension).is_ok();
        if !set {
            tracing::debug!("a file name could not be given to the rules");
        }
    }
}

/// Literals of the rules of one scope.
struct Literals(Option<Vec<Vec<u8>>>);

impl Default for Literals {
    fn default() -> Self {
        Self(Some(Vec::new()))
    }
}

impl Literals {
    fn add(&mut self, needed: Option<&Vec<Vec<u8>>>) {
        match (&mut self.0, needed) {
            (Some(all), Some(needed)) => all.extend(needed.iter().cloned()),
            _ => self.0 = None,
        }
    }

    fn literals(self) -> Option<Vec<Vec<u8>>> {
        let mut all = self.0?;
        all.iter_mut().for_each(|l| l.make_ascii_lowercase());
        all.sort();
        all.dedup();
        Some(all)
    }
}

/// The walk over the syntax trees: metadata, duplicate sids, literals.
#[derive(Default)]
struct Survey {
    /// Where each sid was used first.
    sids: BTreeMap<u64, String>,
    stream: Literals,
    content: Literals,
}

impl Survey {
    fn file(&mut self, source: &Source) -> Result<(), RuleError> {
        if std::str::from_utf8(&source.text).is_err() {
            // The compiler names the place.
            return Ok(());
        }
        let tree = AST::from(source.text.as_slice());
        if !tree.errors().is_empty() {
            return Ok(());
        }
        tree.rules().try_for_each(|rule| self.rule(source, rule))
    }

    fn rule(&mut self, source: &Source, rule: &Rule<'_>) -> Result<(), RuleError> {
        let meta = rule.meta.as_deref().unwrap_or_default();
        let entries = meta.iter().map(|m| (m.identifier.name.to_owned(), tree_meta(&m.value)));
        let error = |offset: usize, message: String| {
            let (line, column) = line_and_column(&source.text, offset);
            RuleError::Rule { path: source.path.clone(), line, column, message, more: 0 }
        };
        let name = rule.identifier.name;
        let info = info::rule_info(name, &source.namespace, Vec::new(), entries).map_err(|e| {
            let offset = meta.get(e.entry).map_or_else(|| requirement::place(rule), |m| m.span().start());
            error(offset, e.message)
        })?;
        if let Some(sid) = info.sid {
            let offset = meta.iter().find(|m| m.identifier.name == "sid").map_or(0, |m| m.span().start());
            let (line, _) = line_and_column(&source.text, offset);
            let here = format!("`{name}` ({}:{line})", source.path.display());
            if let Some(first) = self.sids.insert(sid, here.clone()) {
                return Err(error(offset, format!("sid {sid} is used by rule {here} and by rule {first}")));
            }
        }
        if rule.flags.contains(yara_x_parser::ast::RuleFlags::Private) {
            return Ok(());
        }
        let needed = requirement::of_rule(rule);
        if needed.is_none() && source.namespace != SHIPPED_NAMESPACE {
            tracing::debug!(rule = name, file = %source.path.display(), "no literal is needed for this rule: every buffer is scanned");
        }
        if info.scope != Scope::Content {
            self.stream.add(needed.as_ref());
        }
        if info.scope != Scope::Undecoded {
            self.content.add(needed.as_ref());
        }
        Ok(())
    }
}

fn tree_meta(value: &AstMeta<'_>) -> MetaValue {
    match value {
        AstMeta::Integer((n, _)) => MetaValue::Integer(*n),
        AstMeta::String((text, _)) => MetaValue::Text((*text).to_owned()),
        AstMeta::Bytes((bytes, _)) => MetaValue::Text(String::from_utf8_lossy(bytes).into_owned()),
        other => MetaValue::Other(other.to_string()),
    }
}

fn engine_meta(value: &yara_x::MetaValue<'_>) -> MetaValue {
    match value {
        yara_x::MetaValue::Integer(n) => MetaValue::Integer(*n),
        yara_x::MetaValue::String(text) => MetaValue::Text((*text).to_owned()),
        yara_x::MetaValue::Bytes(bytes) => MetaValue::Text(String::from_utf8_lossy(bytes).into_owned()),
        yara_x::MetaValue::Float(f) => MetaValue::Other(f.to_string()),
        yara_x::MetaValue::Bool(b) => MetaValue::Other(b.to_string()),
    }
}

fn refusal(source: &Source, error: &yara_x::errors::CompileError, more: usize) -> RuleError {
    let label = error.labels().next().map(|l| (l.span().start(), l.text().to_owned()));
    let (line, column) = line_and_column(&source.text, label.as_ref().map_or(0, |l| l.0));
    let message = match label {
        Some((_, text)) if !text.is_empty() => format!("{}: {text}", error.title()),
        _ => error.title().to_owned(),
    };
    RuleError::Rule { path: source.path.clone(), line, column, message: message.replace(['\r', '\n'], " "), more }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_is_named_as_it_is_locked() {
        let lock = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock")).unwrap();
        let (_, entry) = lock.split_once("name = \"yara-x\"\nversion = \"").unwrap();
        let version = entry.split('"').next().unwrap();
        assert_eq!(ENGINE_VERSION, format!("yara-x {version}"), "a cache of another engine must not be read");
    }
}
