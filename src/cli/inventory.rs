//! `inventory`.

use clap::Args;

use super::args::repo_type;
use super::{json_out, out, render};
use crate::config::Config;
use crate::error::Result;
use crate::migration::{self, Inquiry};
use crate::repo::RepoType;

/// `inventory`
#[derive(Debug, Args)]
pub struct InventoryOptions {
    /// A user or an organisation and its hub, like `hf:acme` or `ms:acme`
    namespace: String,
    /// Look for copies in this namespace of the other hub, and compare each by hash
    #[arg(long, value_name = "NAMESPACE")]
    against: Option<String>,
    /// One kind alone: `model` or `dataset`
    #[arg(long, visible_alias = "type", value_name = "TYPE", value_parser = repo_type)]
    repo_type: Option<RepoType>,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

/// 0 when the list is whole, whatever stands in it.
pub(super) async fn run(config: &Config, options: &InventoryOptions) -> Result<u8> {
    let inquiry = Inquiry { namespace: options.namespace.clone(), against: options.against.clone(), repo_type: options.repo_type };
    let inventory = migration::inventory(config, &inquiry).await?;
    if options.json {
        json_out(&inventory)?;
    } else {
        out(&render::inventory(&inventory));
    }
    Ok(0)
}
