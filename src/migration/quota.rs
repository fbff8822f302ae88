//! Whether what would be copied is more than an account may have, where the account tells.

use super::figures::size;
use crate::error::{Error, ErrorKind, Result};
use crate::hub::{Hub, PRIVATE_STORAGE, Source};
use crate::plan::TransferPlan;
use crate::repo::{Platform, Visibility};

/// Refuses a private copy that alone is more than all private repositories of its account may have together. How much of that is used
/// already is not published, and neither is what an organisation has: there the first write tells.
pub(super) async fn check(destination: &Hub, plan: &TransferPlan) -> Result<()> {
    let request = &plan.request;
    let bytes = plan.totals.copy_bytes - plan.totals.repeated_bytes;
    let private = plan.destination_visibility == Visibility::Private;
    // the smallest there is: below it nobody need be asked, and who asks is asked for it strictly (facts, huggingface §1)
    if request.destination.platform != Platform::HuggingFace || !private || bytes <= PRIVATE_STORAGE {
        return Ok(());
    }
    let account = destination.account().await.map_err(|error| error.during("destination"))?;
    match account.private_storage.filter(|most| bytes > *most && account.name == request.destination.id.namespace()) {
        None => Ok(()),
        Some(most) => {
            let message = format!(
                "{} would be copied into a private repository, and all private ones of the account may have {}",
                size(bytes),
                size(most)
            );
            Err(Error::new(ErrorKind::Forbidden, message)
                .with("account", &account.name)
                .with("destination", &request.destination)
                .hint_to("take fewer files with --include, buy storage on Hugging Face, or name an organisation with --dest that has more"))
        }
    }
}
