//! `migration://<id>`: what is known of a migration, for a closer look: its request, where it stands, report, proof, and the end of its log.
//! `plan://<id>`: a plan with its files.

use rmcp::ErrorData;
use rmcp::model::{
    ListResourceTemplatesResult, ListResourcesResult, ReadResourceResponse, ReadResourceResult, Resource, ResourceContents,
    ResourceTemplate,
};
use serde_json::{Value, json};

use super::config;
use super::render;
use super::tasks::failed;
use crate::config::Config;
use crate::error::{Error, ErrorKind, ErrorReport, Result};
use crate::journal::Journal;
use crate::migration::{self, KeptPlan};
use crate::secret::without_tokens;

const SCHEME: &str = "migration://";
const PLAN: &str = "plan://";
/// How many are listed.
const LISTED: usize = 20;
/// How many files of a proof are shown.
const PROVEN: usize = 100;

/// The recent migrations of this machine.
pub(super) fn all() -> Result<ListResourcesResult, ErrorData> {
    let config = config().map_err(|error| failed(&error))?;
    let folders = Journal::new(&config.home).all();
    let listed = folders.iter().take(LISTED).filter_map(|folder| {
        let request = folder.job().ok()?.request;
        let title = format!("{} → {}", request.source, request.destination);
        Some(Resource::new(format!("{SCHEME}{}", folder.id()), folder.id()).with_title(title).with_mime_type("application/json"))
    });
    Ok(ListResourcesResult::with_all_items(listed.collect()))
}

/// How a migration is addressed.
pub(super) fn templates() -> ListResourceTemplatesResult {
    let template = ResourceTemplate::new(format!("{SCHEME}{{migration_id}}"), "migration")
        .with_title("A migration")
        .with_description("Request, state, report, proof by file, and the end of the log of one migration.")
        .with_mime_type("application/json");
    let plan = ResourceTemplate::new(format!("{PLAN}{{plan_id}}"), "plan")
        .with_title("A plan")
        .with_description("What plan_migration found: every file with its decision, risks, changes, warnings, time and price on Modal.")
        .with_mime_type("application/json");
    ListResourceTemplatesResult::with_all_items(vec![template, plan])
}

/// Reads one.
pub(super) async fn read(uri: &str) -> Result<ReadResourceResponse, ErrorData> {
    let unknown = || ErrorData::resource_not_found("no such resource; resources/list names them", None);
    let document = async {
        match (uri.strip_prefix(SCHEME), uri.strip_prefix(PLAN)) {
            (Some(id), _) => document(&config()?, id).await,
            (_, Some(id)) => KeptPlan::open(&config()?, id).map(|plan| json!({ "plan_id": plan.plan_id, "found": plan.shown })),
            _ => Err(Error::new(ErrorKind::NotFound, "no such kind of resource")),
        }
    };
    let document = document.await;
    let document = document.map_err(|error| if error.kind() == ErrorKind::NotFound { unknown() } else { failed(&error) })?;
    let text = without_tokens(&format!("{document:#}"));
    let contents = ResourceContents::text(text, uri).with_mime_type("application/json");
    Ok(ReadResourceResult::new(vec![contents]).into())
}

async fn document(config: &Config, id: &str) -> Result<Value> {
    let (folder, entry) = migration::status(config, id).await?;
    let (proof, lacking) = match migration::proof(config, id).await {
        Ok(proof) => {
            let cut = proof.files.len().saturating_sub(PROVEN);
            let mut shown = serde_json::to_value(&proof).map_err(|error| Error::new(ErrorKind::Local, "no JSON").because(error))?;
            if let Some(Value::Array(files)) = shown.get_mut("files") {
                files.truncate(PROVEN);
            }
            shown["files_not_shown"] = json!(cut);
            (shown, Value::Null)
        }
        Err(error) => (Value::Null, json!(render::report(ErrorReport::from(&error)).message)),
    };
    Ok(json!({
        "migration_id": id,
        "request": entry.job.request,
        "now": migration::glance(id, &entry),
        "report": entry.progress.report,
        "proof": proof,
        "no_proof_because": lacking,
        "log": folder.last_words(),
    }))
}
