//! Rule sources: the shipped ones and the user's folders.
//!
//! Known limits: a file of at most [`MAX_FILE_BYTES`], all of them at most [`MAX_TOTAL_BYTES`], at most [`MAX_FILES`] files,
//! folders nested at most [`MAX_DEPTH`] deep. Names that begin with a dot are passed over, links are followed once.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::RuleError;

const MAX_FILE_BYTES: u64 = 32 << 20;
const MAX_TOTAL_BYTES: u64 = 256 << 20;
const MAX_FILES: usize = 20_000;
const MAX_DEPTH: usize = 16;

/// Namespace of the shipped rules.
pub const SHIPPED_NAMESPACE: &str = "backstop";

/// The shipped rules, written out: a file that is not here is not shipped.
const SHIPPED: &[(&str, &str)] = &[
    ("backstop/files.yar", include_str!("../rules/files.yar")),
    ("backstop/powershell.yar", include_str!("../rules/powershell.yar")),
    ("backstop/sql.yar", include_str!("../rules/sql.yar")),
    ("backstop/veeam.yar", include_str!("../rules/veeam.yar")),
];

/// One rule file.
#[derive(Debug)]
pub(crate) struct Source {
    /// As errors name it.
    pub(crate) path: PathBuf,
    /// Where its rules live.
    pub(crate) namespace: String,
    pub(crate) text: Vec<u8>,
}

/// The shipped rules.
pub(crate) fn shipped() -> Vec<Source> {
    SHIPPED
        .iter()
        .map(|(name, text)| Source {
            path: PathBuf::from(name),
            namespace: SHIPPED_NAMESPACE.to_owned(),
            text: text.as_bytes().to_vec(),
        })
        .collect()
}

/// The rule files of `roots` (folders or single files), in the order of their names, each once.
pub(crate) fn collect(roots: &[PathBuf]) -> Result<Vec<Source>, RuleError> {
    let mut found = Found::default();
    for root in roots {
        let metadata = fs::metadata(root).map_err(|e| RuleError::read(root, e))?;
        if metadata.is_dir() {
            found.folder(root, root, 0)?;
        } else {
            let parent = root.parent().unwrap_or(root);
            found.file(parent, root)?;
        }
    }
    Ok(found.sources)
}

#[derive(Default)]
struct Found {
    sources: Vec<Source>,
    /// Real paths already taken: the same folder may be named twice, and links may form a circle.
    seen: BTreeSet<PathBuf>,
    namespaces: BTreeSet<String>,
    total: u64,
}

impl Found {
    fn first_time(&mut self, path: &Path) -> Result<bool, RuleError> {
        let real = fs::canonicalize(path).map_err(|e| RuleError::read(path, e))?;
        Ok(self.seen.insert(real))
    }

    fn folder(&mut self, root: &Path, folder: &Path, depth: usize) -> Result<(), RuleError> {
        if depth > MAX_DEPTH {
            return Err(RuleError::TooMuch {
                path: folder.to_owned(),
                what: format!("rule folders are nested more than {MAX_DEPTH} deep"),
            });
        }
        if !self.first_time(folder)? {
            return Ok(());
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).map_err(|e| RuleError::read(folder, e))? {
            let path = entry.map_err(|e| RuleError::read(folder, e))?.path();
            let hidden = path.file_name().is_none_or(|n| n.as_encoded_bytes().starts_with(b"."));
            if !hidden {
                names.push(path);
            }
            if names.len() > MAX_FILES.saturating_mul(4) {
                return Err(RuleError::TooMuch { path: folder.to_owned(), what: "too many files in one folder".to_owned() });
            }
        }
        names.sort();
        for path in names {
            let metadata = fs::metadata(&path).map_err(|e| RuleError::read(&path, e))?;
            if metadata.is_dir() {
                self.folder(root, &path, depth.saturating_add(1))?;
            } else if metadata.is_file() && is_rule_file(&path) {
                self.file(root, &path)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, root: &Path, path: &Path) -> Result<(), RuleError> {
        if !self.first_time(path)? {
            return Ok(());
        }
        if self.sources.len() >= MAX_FILES {
            return Err(RuleError::TooMuch { path: path.to_owned(), what: format!("more than {MAX_FILES} rule files") });
        }
        let size = fs::metadata(path).map_err(|e| RuleError::read(path, e))?.len();
        self.total = self.total.saturating_add(size);
        if size > MAX_FILE_BYTES || self.total > MAX_TOTAL_BYTES {
            return Err(RuleError::TooMuch {
                path: path.to_owned(),
                what: format!("rule files are larger than {MAX_FILE_BYTES} bytes, or {MAX_TOTAL_BYTES} in all"),
            });
        }
        let text = fs::read(path).map_err(|e| RuleError::read(path, e))?;
        let namespace = self.namespace(path.strip_prefix(root).unwrap_or(path));
        self.sources.push(Source { path: path.to_owned(), namespace, text });
        Ok(())
    }

    /// The relative path; when two folders hold the same one, the later gets a number.
    fn namespace(&mut self, relative: &Path) -> String {
        let name = relative.to_string_lossy().replace('\\', "/");
        let mut unique = name.clone();
        let mut number = 2_u32;
        while !self.namespaces.insert(unique.clone()) {
            unique = format!("{name}#{number}");
            number = number.saturating_add(1);
        }
        unique
    }
}

fn is_rule_file(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("yar") || e.eq_ignore_ascii_case("yara"))
}

/// Where brackets are nested deeper than `most`, if anywhere. Compilers of rules recurse, and a stack that overflows takes the whole
/// process. Braces begin anew: a condition has none. Quoted text and escaped characters do not count.
pub(crate) fn nested_too_deep(text: &[u8], most: usize) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (offset, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            // A quoted text ends with its line: one quote in a comment must not hide the rest.
            b'"' => quoted = !quoted,
            b'\n' => quoted = false,
            _ if quoted => {}
            b'{' | b'}' => depth = 0,
            b'(' => {
                depth = depth.saturating_add(1);
                if depth > most {
                    return Some(offset);
                }
            }
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// Line and column, both from 1, of a byte offset.
pub(crate) fn line_and_column(text: &[u8], offset: usize) -> (usize, usize) {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    let line = memchr::memchr_iter(b'\n', before).count().saturating_add(1);
    let start = memchr::memrchr(b'\n', before).map_or(0, |p| p.saturating_add(1));
    let column = String::from_utf8_lossy(before.get(start..).unwrap_or_default()).chars().count().saturating_add(1);
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_file_of_the_folder_is_shipped() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
        let mut on_disk: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| format!("backstop/{}", e.unwrap().file_name().display())).collect();
        on_disk.sort();
        assert_eq!(on_disk, SHIPPED.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>());
    }

    #[test]
    fn folders_are_read_in_depth_once_and_in_order() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("b/c")).unwrap();
        fs::create_dir(dir.path().join(".git")).unwrap();
        for name in ["z.yar", "b/c/x.yara", "b/a.YAR", ".git/h.yar", "note.txt"] {
            fs::write(dir.path().join(name), "rule r { condition: true }").unwrap();
        }
        let sources = collect(&[dir.path().to_owned(), dir.path().join("b"), dir.path().join("z.yar")]).unwrap();
        let names: Vec<_> = sources.iter().map(|s| s.namespace.as_str()).collect();
        assert_eq!(names, ["b/a.YAR", "b/c/x.yara", "z.yar"]);
    }

    #[test]
    fn two_folders_with_the_same_file_name_do_not_share_a_namespace() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["one", "two"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
            fs::write(dir.path().join(folder).join("a.yar"), "").unwrap();
        }
        let sources = collect(&[dir.path().join("one"), dir.path().join("two")]).unwrap();
        assert_eq!(sources.iter().map(|s| s.namespace.as_str()).collect::<Vec<_>>(), ["a.yar", "a.yar#2"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_circle_of_links_ends() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.yar"), "").unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("again")).unwrap();
        assert_eq!(collect(&[dir.path().to_owned()]).unwrap().len(), 1);
    }

    #[test]
    fn folders_nested_too_deep_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut path = dir.path().to_owned();
        for _ in 0..=MAX_DEPTH {
            path.push("d");
        }
        fs::create_dir_all(&path).unwrap();
        assert!(matches!(collect(&[dir.path().to_owned()]), Err(RuleError::TooMuch { .. })));
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = collect(&[PathBuf::from("no/such/folder")]).unwrap_err();
        assert!(error.to_string().starts_with("no/such/folder: "), "{error}");
    }

    #[test]
    fn brackets_are_counted_where_they_nest() {
        assert_eq!(nested_too_deep(b"((a) (b) (c))", 2), None);
        assert_eq!(nested_too_deep(b"((a) ((c)))", 2), Some(6));
        assert_eq!(nested_too_deep(b"\"(((\" /\\(\\(\\(/ rule a { (( } rule b { (( }", 2), None);
        assert_eq!(nested_too_deep(b"// it's 3\" long\n(((", 2), Some(18));
    }

    #[test]
    fn offsets_become_lines_and_columns() {
        let text = "ab\ncé d\n".as_bytes();
        assert_eq!(line_and_column(text, 0), (1, 1));
        assert_eq!(line_and_column(text, 3), (2, 1));
        assert_eq!(line_and_column(text, 7), (2, 4));
        assert_eq!(line_and_column(text, 999), (3, 1));
    }
}
