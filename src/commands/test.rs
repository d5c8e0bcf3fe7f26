//! `backstop test`.

use super::session;
use super::{End, StartError, start_log};
use crate::cli::Common;
use crate::config;
use crate::keys;

/// Checks configuration and rules.
pub fn run(options: &Common) -> Result<End, StartError> {
    start_log(options);
    let config = config::load(options.config.as_deref(), &options.sets)?;
    let rules = session::rules(&config, &options.rules)?;
    let mut settings = config.settings();
    let sources = config.keys(&[]);
    keys::check(&sources)?;
    let lists = session::indicators(&config, &[], &mut settings)?;
    if options.quiet {
        return Ok(End::Done);
    }
    let list = |networks: &[ipnet::IpNet]| match networks {
        [] => "none".to_owned(),
        _ => networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    println!("configuration  {}", options.config.as_ref().map_or("defaults".into(), |path| path.display().to_string()));
    println!("home_net       {}", list(&settings.detect.home_net));
    println!("backup_servers {}", list(&settings.detect.backup_servers));
    println!("known_clients  {}", list(&settings.detect.known_clients));
    println!("detections     {}", backstop_detectors::REGISTRY.iter().map(|known| known.metas.len()).sum::<usize>());
    println!("rules          {}", rules.rules().len());
    println!("indicators     {} in {} lists", settings.detect.indicators.store.current().len(), lists.sources.lists());
    println!("key logs       {}", sources.key_logs.len());
    println!("RSA keys       {}", sources.rsa_keys.len());
    println!("all good");
    Ok(End::Done)
}
