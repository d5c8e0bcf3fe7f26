//! What must be in the data before a rule can match: literals read from the rule's own strings.
//!
//! Works on the syntax tree and is conservative: a condition that is not understood needs nothing, and then the rule cannot be filtered.
//! Understood are strings (`$a`, also with `at` and `in`), `#a` against a number, `any`/`all`/`N`/`P%` `of`, `and`, `or` and
//! `false`; of strings: text (plain, wide, any case), the fixed runs of hex, and the literals that a regular expression cannot do without.
//! `xor` and `base64` strings count as not understood.

use regex_syntax::hir::{Hir, HirKind};
use yara_x_parser::ast::{
    Expr, HexToken, IdentWithRange, OfItems, Pattern, PatternModifiers, PatternSet, Quantifier, Regexp, Rule, WithSpan as _,
};

use crate::prefilter::{MAX_LITERAL, MIN_LITERAL};

/// Strings of which at least one must occur; none: nothing is known.
type Needed = Option<Vec<Vec<u8>>>;

/// Deeper conditions are not looked at.
const MAX_DEPTH: usize = 64;

/// The literals of which at least one is in any data that `rule` matches.
pub(crate) fn of_rule(rule: &Rule<'_>) -> Needed {
    let patterns = rule.patterns.as_deref().unwrap_or_default();
    let strings: Vec<(&str, Needed)> = patterns.iter().map(|p| (p.identifier().name, of_pattern(p))).collect();
    of_condition(&rule.condition, &strings, MAX_DEPTH)
}

fn of_condition(condition: &Expr<'_>, strings: &[(&str, Needed)], depth: usize) -> Needed {
    let depth = depth.checked_sub(1)?;
    match condition {
        Expr::False { .. } => Some(Vec::new()),
        Expr::PatternMatch(m) => named(m.identifier.name, strings),
        Expr::And(all) => best(all.operands().map(|e| of_condition(e, strings, depth))),
        Expr::Or(any) => union(any.operands().map(|e| of_condition(e, strings, depth))),
        // `#a > 0`, `#a >= 1`, `#a == 1`
        Expr::Gt(c) => counted(&c.lhs, &c.rhs, 0, strings),
        Expr::Ge(c) | Expr::Eq(c) => counted(&c.lhs, &c.rhs, 1, strings),
        Expr::Of(of) => match &of.items {
            OfItems::PatternSet(set) => {
                let members: Vec<&Needed> = strings.iter().filter(|(name, _)| in_set(set, name)).map(|(_, n)| n).collect();
                some_of(&of.quantifier, members)
            }
            OfItems::BoolExprTuple(list) => {
                let members: Vec<Needed> = list.iter().map(|e| of_condition(e, strings, depth)).collect();
                some_of(&of.quantifier, members.iter().collect())
            }
        },
        _ => None,
    }
}

fn named(name: &str, strings: &[(&str, Needed)]) -> Needed {
    // `$` alone is the string of an enclosing loop, or one of several anonymous ones.
    if name == "$" {
        return None;
    }
    strings.iter().find(|(n, _)| *n == name).and_then(|(_, needed)| needed.clone())
}

fn counted(lhs: &Expr<'_>, rhs: &Expr<'_>, least: i64, strings: &[(&str, Needed)]) -> Needed {
    let Expr::PatternCount(count) = lhs else { return None };
    let IdentWithRange { identifier, .. } = count.as_ref();
    let Expr::LiteralInteger(number) = rhs else { return None };
    // A count's name may or may not carry its `#`; strings are named with `$`.
    let bare = identifier.name.trim_start_matches(['#', '$']);
    (number.value >= least && !number.is_unsigned).then(|| named(&format!("${bare}"), strings)).flatten()
}

fn in_set(set: &PatternSet<'_>, name: &str) -> bool {
    match set {
        PatternSet::Them { .. } => true,
        PatternSet::Set(items) => {
            items.iter().any(|i| if i.wildcard { name.starts_with(i.identifier) } else { i.identifier == name })
        }
    }
}

/// `quantifier of (members)`: when N of M must hold, N − 1 of them may be left out, and one of the rest still holds.
fn some_of(quantifier: &Quantifier<'_>, mut members: Vec<&Needed>) -> Needed {
    let at_least: usize = match quantifier {
        Quantifier::None { .. } => return None,
        Quantifier::All { .. } => members.len(),
        Quantifier::Any { .. } => 1,
        Quantifier::Expr(Expr::LiteralInteger(n)) => usize::try_from(n.value).ok()?,
        // At least one member for any percentage above nothing.
        Quantifier::Percentage(Expr::LiteralInteger(n)) if n.value > 0 => 1,
        Quantifier::Percentage(_) | Quantifier::Expr(_) => return None,
    };
    if at_least == 0 || members.is_empty() {
        return None;
    }
    if at_least > members.len() {
        return Some(Vec::new());
    }
    // Best first: those without literals, and those with short ones, are what can be left out.
    members.sort_by_key(|m| std::cmp::Reverse(worth(m)));
    let keep = members.len().saturating_sub(at_least).saturating_add(1);
    union(members.into_iter().take(keep).cloned())
}

fn union(all: impl Iterator<Item = Needed>) -> Needed {
    let mut together = Vec::new();
    for one in all {
        together.extend(one?);
    }
    Some(together)
}

fn best(all: impl Iterator<Item = Needed>) -> Needed {
    all.max_by_key(worth).flatten()
}

/// Rarer is better; of equal rarity, fewer strings are. An empty set ("cannot match") beats all.
fn worth(needed: &Needed) -> (u32, std::cmp::Reverse<usize>) {
    match needed {
        None => (0, std::cmp::Reverse(usize::MAX)),
        Some(set) => (set.iter().map(|l| rarity(l)).min().unwrap_or(u32::MAX), std::cmp::Reverse(set.len())),
    }
}

/// Roughly the bits that a literal tells: letters stand in words, zeros in UTF-16 and in binary fields.
fn rarity(literal: &[u8]) -> u32 {
    let bits = |byte: &u8| match byte {
        0 => 1,
        b'a'..=b'z' | b'A'..=b'Z' => 3,
        b' ' | 0xff => 4,
        b'0'..=b'9' => 6,
        _ => 7,
    };
    // Beyond this it is rare enough.
    literal.iter().map(bits).sum::<u32>().min(60)
}

fn of_pattern(pattern: &Pattern<'_>) -> Needed {
    let modifiers = pattern.modifiers();
    if modifiers.xor().is_some() || modifiers.base64().is_some() || modifiers.base64wide().is_some() {
        return None;
    }
    match pattern {
        Pattern::Text(text) => encoded(vec![text.text.value.to_vec()], modifiers),
        Pattern::Hex(hex) => {
            let mut runs = vec![Vec::new()];
            for token in hex.sub_patterns.iter() {
                match token {
                    HexToken::Byte(b) if b.mask == 0xff => runs.last_mut()?.push(b.value),
                    _ => runs.push(Vec::new()),
                }
            }
            encoded(vec![runs.into_iter().max_by_key(Vec::len)?], modifiers)
        }
        Pattern::Regexp(regexp) => encoded(of_regexp(&regexp.regexp)?, modifiers),
    }
}

/// The byte forms in which the literals may occur: plain, or with a zero after each byte.
fn encoded(literals: Vec<Vec<u8>>, modifiers: &PatternModifiers<'_>) -> Needed {
    let wide = modifiers.wide().is_some();
    let plain = modifiers.ascii().is_some() || !wide;
    let mut forms = Vec::new();
    for literal in literals {
        if wide {
            forms.push(literal.iter().flat_map(|&b| [b, 0]).take(MAX_LITERAL).collect::<Vec<u8>>());
        }
        if plain {
            forms.push(literal.into_iter().take(MAX_LITERAL).collect());
        }
    }
    forms.iter().all(|f| f.len() >= MIN_LITERAL).then_some(forms)
}

fn of_regexp(regexp: &Regexp<'_>) -> Needed {
    // Case is left out on purpose: the prefilter ignores it anyway, and letters stay literals.
    let tree = regex_syntax::ast::parse::ParserBuilder::new().empty_min_range(true).build().parse(regexp.src).ok()?;
    let hir = regex_syntax::hir::translate::TranslatorBuilder::new()
        .unicode(false)
        .utf8(false)
        .dot_matches_new_line(regexp.dot_matches_new_line)
        .build()
        .translate(regexp.src, &tree)
        .ok()?;
    of_hir(&hir, MAX_DEPTH)
}

fn of_hir(hir: &Hir, depth: usize) -> Needed {
    let depth = depth.checked_sub(1)?;
    match hir.kind() {
        HirKind::Literal(literal) => Some(vec![literal.0.to_vec()]),
        HirKind::Capture(group) => of_hir(&group.sub, depth),
        HirKind::Repetition(repeated) if repeated.min > 0 => of_hir(&repeated.sub, depth),
        HirKind::Concat(parts) => best(parts.iter().map(|p| of_hir(p, depth))),
        HirKind::Alternation(parts) => union(parts.iter().map(|p| of_hir(p, depth))),
        _ => None,
    }
}

/// Where the condition begins, for messages.
pub(crate) fn place(rule: &Rule<'_>) -> usize {
    rule.identifier.span().start()
}
