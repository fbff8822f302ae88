//! The tools, one verb a file. A tool takes typed arguments, calls the story, and gives a typed result.

mod cancel_migration;
mod inventory;
mod migrate;
mod plan_migration;
mod status;
mod validate_tokens;
mod verify_migration;

use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::model::{InputRequiredResult, JsonObject, Tool, ToolAnnotations};
use rmcp::service::RequestContext;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::arguments::{read, refuse_tokens};
use super::asking::Asking;
use super::{config, schema};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::Entry;

/// What a call comes to.
pub(super) enum Answer {
    /// It is done.
    Given(Value),
    /// A migration runs; a client that has no tasks gets the value.
    Runs { id: String, value: Value },
    /// A person is asked, and another call brings what they say.
    Asks(InputRequiredResult),
}

/// A tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    ValidateTokens,
    PlanMigration,
    Migrate,
    Status,
    CancelMigration,
    VerifyMigration,
    Inventory,
}

impl Name {
    const ALL: [Self; 7] = [
        Self::ValidateTokens,
        Self::PlanMigration,
        Self::Migrate,
        Self::Status,
        Self::CancelMigration,
        Self::VerifyMigration,
        Self::Inventory,
    ];

    /// The tool that is called so.
    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::ValidateTokens => "validate_tokens",
            Self::PlanMigration => "plan_migration",
            Self::Migrate => "migrate",
            Self::Status => "status",
            Self::CancelMigration => "cancel_migration",
            Self::VerifyMigration => "verify_migration",
            Self::Inventory => "inventory",
        }
    }

    /// Whether a call may be dropped where it is. One that starts or ends something is gone through with.
    pub(super) fn may_stop(self) -> bool {
        !matches!(self, Self::Migrate | Self::CancelMigration)
    }

    fn described(self) -> Tool {
        match self {
            Self::ValidateTokens => self.tool::<validate_tokens::Arguments, validate_tokens::Outcome>("Check the tokens"),
            Self::PlanMigration => self.tool::<plan_migration::Arguments, plan_migration::Outcome>("Plan a migration"),
            Self::Migrate => self.tool::<migrate::Arguments, migrate::Outcome>("Start a planned migration"),
            Self::Status => self.tool::<status::Arguments, status::Outcome>("Look at migrations"),
            Self::CancelMigration => self.tool::<cancel_migration::Arguments, status::Outcome>("Stop a migration"),
            Self::Inventory => self.tool::<inventory::Arguments, inventory::Outcome>("List repositories and their copies"),
            Self::VerifyMigration => self.tool::<verify_migration::Arguments, verify_migration::Outcome>("Compare by hash"),
        }
    }

    fn tool<A: JsonSchema, O: JsonSchema>(self, title: &'static str) -> Tool {
        let (description, input) = schema::input::<A>();
        let annotations =
            ToolAnnotations::with_title(title).read_only(self.may_stop()).destructive(!self.may_stop()).idempotent(true).open_world(true);
        Tool::new(self.name(), description, Arc::new(input))
            .with_title(title)
            .with_raw_output_schema(Arc::new(schema::output::<O>()))
            .with_annotations(annotations)
    }
}

/// Every tool, as clients see it.
pub(super) fn all() -> Vec<Tool> {
    Name::ALL.into_iter().map(Name::described).collect()
}

/// Calls one.
pub(super) async fn call(tool: Name, arguments: JsonObject, context: &RequestContext<RoleServer>, asking: Asking<'_>) -> Result<Answer> {
    refuse_tokens(&arguments)?;
    let config = &config()?;
    let given = match tool {
        Name::ValidateTokens => value(validate_tokens::run(config, read(arguments)?).await),
        Name::PlanMigration => value(plan_migration::run(config, read(arguments)?).await),
        Name::Migrate => return migrate::run(config, read(arguments)?, asking).await,
        Name::Status => value(status::run(config, read(arguments)?, context).await),
        Name::CancelMigration => value(cancel_migration::run(config, read(arguments)?).await),
        Name::Inventory => value(inventory::run(config, read(arguments)?).await),
        Name::VerifyMigration => value(verify_migration::run(config, read(arguments)?).await),
    };
    given.map(Answer::Given)
}

/// What `migrate` came to, once the migration has ended.
pub(super) fn ended(id: &str, entry: &Entry) -> Result<Value> {
    value(Ok(migrate::ended(id, entry)))
}

/// Where a migration stands, in a sentence.
pub(super) fn sentence(entry: &Entry) -> String {
    status::sentence(entry)
}

fn value(outcome: Result<impl Serialize>) -> Result<Value> {
    serde_json::to_value(outcome?).map_err(|error| Error::new(ErrorKind::Local, "no JSON").because(error))
}
