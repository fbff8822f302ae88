//! The faults of the writing side: everything that facts/huggingface and facts/modelscope say may go wrong between the creation of a
//! destination and the proof of what was committed there.
//!
//! Each fault has a test, in both directions where both hubs know it. A test holds what the user sees of it from the first line to the
//! last in a snapshot, with the error a program gets; a fault that is survived leaves the same tree as none, by one commit, with nothing
//! sent again that had landed; after one that is not, the same command ends well once the fault is over, and sends nothing again that
//! had landed. HF and MS mark what only one of the hubs does. Tests of other modules are named where they hold a fault alone.
//!
//! A body that stalls for good is given up after 13 minutes, which a test of `http` holds, whose clock is paused. Not reached by a test:
//! connections that break without end (11 minutes of waits), and a refusal that is lost with its connection each time.
//!
//! ## Creating the destination
//!
//! | fault | test |
//! |---|---|
//! | 500, 502, 503 for a moment | `create::a_creation_that_fails_for_a_moment_is_asked_for_again` |
//! | 503 without end | `create::a_creation_that_never_works_ends_with_nothing_made` |
//! | 429 with `Retry-After`, short | `create::a_creation_that_is_throttled_is_waited_for` |
//! | 429 with `Retry-After`, hours | `create::a_creation_that_is_throttled_for_long_ends_at_once` |
//! | 429, `RateLimit` r = 0 (HF) | `create::a_creation_over_the_quota_of_the_window_waits_for_its_end` |
//! | 429, `RateLimit` r > 0 (HF) | `create::a_creation_over_another_limit_waits_as_it_says` |
//! | answer lost, created | `create::a_creation_whose_answer_is_lost_is_not_made_twice` |
//! | 504, created later | `create::a_creation_that_happens_after_its_timeout_is_found` |
//! | 409 or "taken", and nothing is seen | `create::a_name_that_is_taken_by_something_nobody_sees_is_refused` |
//! | created by somebody else, with files | `commits::a_repository_that_somebody_else_creates_meanwhile_is_used_if_it_takes_nothing_of_theirs` |
//! | … with files of ours | `commits::a_repository_that_somebody_else_creates_meanwhile_is_not_overwritten_unasked` |
//! | … public, the source private | `shore::a_public_destination_that_somebody_else_creates_for_a_private_source_gets_no_byte` |
//! | "taken" in the words of modelscope.ai | `guesses::an_international_site_says_in_its_own_words_that_a_name_is_taken` |
//! | 409 conflicting operation (HF) | `create::a_creation_beside_another_of_the_account_is_asked_for_again` |
//! | storage lock (HF) | `create::a_creation_by_an_account_whose_storage_is_full_ends_at_once` |
//! | visibility ignored: public | `visibility::a_hub_that_makes_it_public_against_the_request_gets_no_byte` |
//! | visibility ignored: private (HF) | `create::a_repository_that_the_hub_made_private_against_the_request_is_named` |
//! | failure in a 200 (MS) | `create::a_failure_in_a_200_of_a_creation_is_asked_for_again` |
//! | … without end | `create::failures_in_a_200_of_a_creation_without_end_are_reported` |
//! | code 10030000001, come again (MS) | `create::a_creation_that_is_asked_to_come_again_by_the_overloaded_code_comes_again` |
//! | quota (MS) | `create::a_creation_by_an_account_whose_quota_is_used_up_ends_at_once` |
//! | 403 tier (MS) | `tokens::a_modelscope_token_that_may_not_write_is_refused_by_the_first_write` |
//! | 403 or 404 namespace (MS) | `tokens::a_modelscope_namespace_of_somebody_else_or_nobody_is_refused` |
//! | 403 scope (HF) | `tokens::a_fine_grained_token_for_one_repository_writes_to_it_and_makes_no_other` |
//!
//! ## Card check and preupload (HF)
//!
//! | fault | test |
//! |---|---|
//! | card check: 503 for a moment | `preupload::a_card_check_that_fails_for_a_moment_is_asked_for_again` |
//! | card check: 503 without end | `preupload::a_card_check_that_never_works_ends_before_anything_moves` |
//! | 500, 502, 503 for a moment | `preupload::a_preupload_that_fails_for_a_moment_is_asked_for_again` |
//! | 503 without end | `preupload::a_preupload_that_never_works_keeps_the_blobs_that_went_before` |
//! | 429, `RateLimit` r = 0 and r > 0 | `preupload::a_preupload_that_is_throttled_is_waited_for` |
//! | answer lost | `preupload::a_preupload_whose_answer_is_lost_is_asked_for_again` |
//! | storage lock | `preupload::a_preupload_by_an_account_whose_public_storage_is_full_ends_at_once` |
//! | `shouldIgnore` | `preupload::a_file_that_the_hub_would_ignore_is_named` |
//! | a file left out | `preupload::a_file_that_a_preupload_leaves_out_is_named` |
//! | an unknown `uploadMode` | `preupload::a_file_that_the_hub_wants_in_an_unknown_way_is_named` |
//!
//! ## LFS batch
//!
//! | fault | test |
//! |---|---|
//! | 500, 502, 503 for a moment | `batch::a_negotiation_that_fails_for_a_moment_is_asked_for_again` |
//! | 503 without end | `batch::a_negotiation_that_never_works_ends_with_nothing_committed` |
//! | 429 with `Retry-After`, short | `batch::a_negotiation_that_is_throttled_is_waited_for` |
//! | 429 with `Retry-After`, an hour | `batch::a_negotiation_that_is_throttled_for_long_says_for_how_long` |
//! | 429, `RateLimit` r = 0 (HF) | `batch::a_negotiation_over_the_quota_of_the_window_waits_for_its_end` |
//! | … with a window that lasts longer | `batch::a_wait_of_more_than_a_moment_is_told` |
//! | 429, `RateLimit` r > 0 (HF) | `batch::a_negotiation_over_another_limit_waits_as_it_says` |
//! | answer lost | `batch::a_negotiation_whose_answer_is_lost_is_asked_for_again` |
//! | an answer without objects | `batch::a_negotiation_that_is_answered_with_nothing_is_not_taken_for_all_there` |
//! | an object twice | `batch::an_object_named_twice_is_sent_once` |
//! | an object missing (HF) | `batch::an_object_that_the_answer_leaves_out_is_not_taken_for_there` |
//! | an object missing, so "there", and is not (MS) | `batch::an_object_that_is_said_to_be_there_and_is_not_is_carried_before_the_commit` |
//! | an object nobody named (HF) | `batch::an_object_nobody_asked_about_changes_nothing` |
//! | an object nobody named (MS) | `batch::an_object_nobody_offered_is_an_odd_answer` |
//! | error of an object: 404 | `batch::an_object_that_is_missing_by_its_own_error_is_named_with_its_file` |
//! | error of an object: 422 | `batch::an_object_that_is_refused_is_named_with_its_file` |
//! | error of an object: 413 | `batch::an_object_that_is_too_large_is_named_with_its_file` |
//! | error of an object: 507 | `batch::an_object_for_which_there_is_no_storage_left_ends_it` |
//! | error of an object: 503, for a moment | `batch::an_object_that_cannot_be_taken_for_a_moment_is_asked_for_again` |
//! | not an address for every part (HF) | `batch::a_ticket_without_an_address_for_every_part_is_no_ticket` |
//! | `chunk_size` is no number (HF) | `batch::a_ticket_whose_part_size_is_no_number_is_no_ticket` |
//! | no address (MS) | `batch::an_object_to_send_without_an_address_is_an_odd_answer` |
//! | a `verify` action (MS) | `batch::a_verification_that_a_ticket_asks_for_is_made` |
//! | storage lock (HF) | `batch::a_negotiation_by_an_account_that_was_locked_ends_at_once` |
//! | quota (MS) | `batch::a_negotiation_by_an_account_whose_quota_is_used_up_ends_at_once` |
//! | failure in a 200 (MS) | `batch::a_failure_in_a_200_of_a_negotiation_is_asked_for_again` |
//! | code 10030000001, come again (MS) | `batch::a_negotiation_that_is_asked_to_come_again_by_the_overloaded_code_comes_again` |
//! | code 10030000001, not logged in (MS) | `batch::a_negotiation_without_credentials_by_the_overloaded_code_ends_at_once` |
//!
//! ## PUT of a whole file
//!
//! | fault | test |
//! |---|---|
//! | 500, 502, 503 for a moment, before the body's end | `put::a_put_that_is_refused_for_a_moment_is_made_again` |
//! | 503 without end | `put::a_put_that_never_works_keeps_what_landed` |
//! | 429 with `Retry-After` | `put::a_put_that_is_throttled_is_waited_for` |
//! | reset in the middle | `put::a_put_that_breaks_in_the_middle_starts_over` |
//! | reset before the first byte | `put::a_put_that_breaks_before_its_first_byte_starts_over` |
//! | stall, short | `put::a_put_that_stalls_for_a_moment_goes_on` |
//! | answer lost | `put::a_put_whose_answer_is_lost_is_asked_about_and_not_made_again` |
//! | 504, stored all the same | `put::a_put_whose_answer_comes_after_a_gateway_lost_patience_is_not_made_again` |
//! | 200 before all bytes were sent | `put::a_good_answer_before_all_bytes_were_sent_is_not_believed` |
//! | 200 without a body, nothing stored (MS) | `put::a_put_that_is_answered_with_nothing_at_all_is_believed_and_then_looked_after` |
//! | flipped byte, detected | `put::a_byte_that_flips_on_the_way_is_refused_and_sent_again` |
//! | flipped byte, detected each time (MS) | `put::bytes_that_flip_time_and_again_end_it` |
//! | flipped byte, not detected | `put::a_byte_that_flips_unseen_by_the_storage_is_found_by_reading_back` |
//! | 413 | `put::a_put_that_is_too_large_is_final_and_named` |
//! | address expired (HF) | `put::an_address_of_a_whole_put_that_has_expired_is_asked_for_anew` |
//! | 400 slow body (HF) | `put::a_body_that_came_too_slowly_for_the_storage_is_sent_again` |
//! | failure in a 200 (MS) | `put::a_failure_in_a_200_of_a_put_is_sent_again` |
//! | … without end | `put::failures_in_a_200_of_a_put_without_end_are_reported` |
//! | code 10030000001, come again (MS) | `put::a_put_that_is_asked_to_come_again_by_the_overloaded_code_comes_again` |
//! | code 10030000001, not logged in (MS) | `put::a_put_without_credentials_by_the_overloaded_code_ends_at_once` |
//! | 403 no permission (MS) | `put::a_put_without_permission_is_named` |
//! | quota (MS) | `put::a_put_over_the_quota_ends_at_once` |
//!
//! ## Parts, completion and verification of an upload (HF)
//!
//! | fault | test |
//! |---|---|
//! | part: 500, 502, 503 for a moment | `parts::a_part_that_is_refused_for_a_moment_is_sent_again_alone` |
//! | part: 503 without end | `parts::a_part_that_never_works_ends_with_nothing_committed` |
//! | part: 429 | `parts::a_part_that_is_throttled_is_waited_for` |
//! | part: reset in the middle | `parts::a_part_that_breaks_in_the_middle_is_sent_again_alone` |
//! | part: stall, short | `parts::a_part_that_stalls_for_a_moment_goes_on` |
//! | part: answer lost | `parts::a_part_whose_answer_is_lost_is_sent_again_alone` |
//! | part: 200 before all bytes were sent | `parts::a_good_answer_to_a_part_before_all_bytes_were_sent_is_not_believed` |
//! | part: 200 without a tag | `parts::an_answer_to_a_part_without_its_tag_is_no_answer` |
//! | part: 400 slow body | `parts::a_part_whose_body_came_too_slowly_is_sent_again` |
//! | part: address expired, other upload | `parts::an_address_of_a_part_that_has_expired_is_asked_for_anew` |
//! | part: address expired, same upload | `parts::an_address_of_a_part_that_has_expired_goes_on_with_the_same_upload` |
//! | part: upload gone | `parts::a_part_of_an_upload_that_is_gone_goes_up_by_a_new_ticket` |
//! | part: flipped byte | `parts::a_byte_of_a_part_that_flips_on_the_way_is_found_at_the_completion` |
//! | completion: 500, 503 for a moment | `parts::a_completion_that_fails_for_a_moment_is_asked_for_again` |
//! | completion: 503 without end | `parts::a_completion_that_never_works_names_its_file` |
//! | completion: 429 | `parts::a_completion_that_is_throttled_is_waited_for` |
//! | completion: answer lost | `parts::a_completion_whose_answer_is_lost_is_asked_about` |
//! | completion: address expired | `parts::a_completion_whose_address_has_expired_is_made_by_a_new_ticket` |
//! | completion: upload gone | `parts::a_completion_of_an_upload_that_is_gone_starts_the_file_over` |
//! | verification: 500 for a moment | `parts::a_verification_that_fails_for_a_moment_is_asked_for_again` |
//! | verification: 503 without end | `parts::a_verification_that_never_works_names_its_file` |
//! | verification: 404 | `parts::a_verification_that_does_not_find_the_object_sends_it_again` |
//! | verification: 422 | `parts::a_verification_that_finds_another_size_names_its_file` |
//!
//! ## Commit
//!
//! | fault | test |
//! |---|---|
//! | 500, 503 for a moment | `commit::a_commit_that_fails_for_a_moment_is_made_again` |
//! | 503 without end | `commit::a_commit_that_never_works_keeps_what_was_sent` |
//! | answer lost, happened | `commit::a_commit_whose_answer_is_lost_is_found` |
//! | 504, happened | `commit::a_commit_that_a_gateway_gave_up_on_and_that_happened_is_found` |
//! | 502, happens seconds later | `commit::a_commit_that_happens_seconds_after_a_gateway_gave_up_on_it_is_found` |
//! | 500, happens as the next try begins | `commit::a_commit_that_happens_while_the_next_try_begins_is_found` |
//! | 504, did not happen | `commit::a_commit_that_a_gateway_gave_up_on_and_that_did_not_happen_is_made_again` |
//! | reset, did not happen | `commit::a_commit_that_broke_off_and_did_not_happen_is_made_again` |
//! | a good answer without an id | `commit::a_commit_that_is_answered_without_its_id_is_looked_for` |
//! | 500, then 412 because it came through (HF) | `commit::a_repeated_commit_that_is_refused_because_the_first_came_through_is_found` |
//! | branch moved since the plan | `commit::a_branch_that_moves_between_plan_and_commit_is_planned_anew` |
//! | … with a file of ours | `commit::a_branch_that_moves_with_a_file_of_ours_is_not_overwritten` |
//! | branch moved inside the commit (HF: 412) | `commit::a_branch_that_moves_inside_the_commit_is_planned_anew` |
//! | branch moved inside the commit (MS) | `commit::a_branch_that_moves_inside_the_commit_is_kept_beside_ours` |
//! | 412 for ever (HF) | `commit::a_branch_that_always_seems_to_move_is_given_up_with_a_suspicion` |
//! | 409 conflicting operation (HF) | `commit::a_commit_beside_another_operation_of_the_account_is_made_again` |
//! | 429 with `Retry-After` | `commit::a_commit_that_is_throttled_is_waited_for` |
//! | 429, `RateLimit` r = 0 (HF) | `commit::a_commit_over_the_quota_of_the_window_waits_for_its_end` |
//! | 429, `RateLimit` r > 0 (HF) | `commit::a_commit_over_another_limit_waits_as_it_says` |
//! | 429, 128 commits an hour (HF) | `commit::a_commit_over_the_limit_of_an_hour_ends_at_once_and_says_when_to_come_again` |
//! | … said in words alone | `commit::a_commit_over_the_limit_of_an_hour_that_says_so_in_words_alone_ends_at_once_too` |
//! | 429 commit frequency (MS) | `commit::a_commit_over_the_frequency_limit_waits_as_it_says` |
//! | … with a long `Retry-After` | `commit::a_commit_over_the_frequency_limit_for_long_says_for_how_long` |
//! | 400 E1021 (MS) | `commit::a_commit_over_the_frequency_limit_in_a_400_waits` |
//! | 409 code 10030000001, branch changed (MS) | `commit::a_commit_that_lost_a_race_by_the_overloaded_code_is_made_again` |
//! | 400 code 10030000001, repository policy (MS) | `commit::a_commit_against_the_policy_by_the_overloaded_code_is_made_again` |
//! | … without end | `commit::commits_against_the_policy_without_end_are_reported` |
//! | 400 code 10030000001, no words (MS) | `commit::a_commit_by_the_overloaded_code_without_a_word_is_made_again` |
//! | 400 code 10030000001, not logged in (MS) | `commit::a_commit_without_credentials_by_the_overloaded_code_ends_at_once` |
//! | failure in a 200 (MS) | `commit::a_failure_in_a_200_of_a_commit_is_made_again` |
//! | … without end | `commit::failures_in_a_200_of_a_commit_without_end_are_reported` |
//! | 413 | `commit::a_commit_that_is_too_large_is_halved` |
//! | 413 however small | `commit::a_commit_that_is_too_large_however_small_ends_it` |
//! | 422 too many files (HF) | `commit::a_commit_of_too_many_files_at_once_is_halved` |
//! | 422 too many actions (MS) | `commit::a_commit_of_too_many_actions_is_halved` |
//! | a body broken off time and again | `commits::a_hub_that_breaks_off_what_is_too_much_is_given_less` |
//! | the second of two refused | `commit::a_second_commit_that_is_refused_says_that_the_first_is_visible` |
//! | blobs collected before it | `commits::blobs_that_were_collected_before_the_commit_are_carried_again` |
//! | blobs collected inside it, 400 | `commit::a_commit_of_blobs_that_were_collected_carries_them_again` |
//! | 400 for its content | `commit::a_commit_that_is_refused_for_its_content_ends_it` |
//! | 400 card (HF) | `cards::a_card_that_hugging_face_refuses_is_refused_before_anything_is_made` |
//! | 400 the path exists (MS) | `shore::a_path_that_the_hub_says_is_there_already_ends_it` |
//! | 400 no branch (MS) | `commit::a_commit_to_what_is_no_branch_any_more_is_named` |
//! | storage lock (HF) | `commit::a_commit_by_an_account_that_nobody_pays_for_ends_at_once` |
//!
//! ## Tokens
//!
//! | fault | test |
//! |---|---|
//! | dies before the first byte | `credentials::a_token_that_dies_before_the_first_byte_ends_it` |
//! | dies before a PUT (MS) | `credentials::a_token_that_dies_before_a_put_ends_it` |
//! | dies at a completion (HF) | `credentials::a_token_that_dies_before_the_verification_of_an_upload_ends_it` |
//! | dies before a preupload (HF) | `credentials::a_token_that_dies_before_the_preupload_ends_it` |
//! | dies between blobs and commit | `credentials::a_token_that_dies_between_blobs_and_commit_keeps_the_blobs` |
//! | dies after the commit | `credentials::a_token_that_dies_in_the_verification_leaves_it_committed_and_not_proven` |
//! | may only read, at a batch | `credentials::a_token_that_may_only_read_from_now_on_ends_it_at_the_next_question` |
//! | may only read, at a PUT (MS) | `credentials::a_token_that_may_only_read_from_now_on_ends_it_at_a_put` |
//! | may only read, at the commit | `credentials::a_token_that_may_only_read_from_now_on_ends_it_at_the_commit` |
//!
//! ## The destination itself
//!
//! | fault | test |
//! |---|---|
//! | deleted before a file goes up | `shore::a_destination_that_is_deleted_before_a_file_goes_up_is_named` |
//! | deleted while files go up | `shore::a_destination_that_is_deleted_while_files_go_up_is_named` |
//! | deleted at the commit | `shore::a_destination_that_is_deleted_at_the_commit_is_named` |
//! | deleted after the commit | `shore::a_destination_that_is_deleted_right_after_the_commit_is_not_proven` |
//! | renamed while files go up (HF) | `shore::a_repository_that_is_renamed_while_files_go_up_is_followed` |
//! | renamed at the commit (HF) | `shore::a_repository_that_is_renamed_at_the_commit_is_followed` |
//! | made public after the plan | `visibility::a_destination_that_becomes_public_after_the_plan_gets_no_byte` |
//! | made public while files go up | `shore::a_destination_that_becomes_public_at_the_commit_gets_none` |
//! | the same path with other content | `shore::a_file_of_the_same_path_with_other_content_is_not_overwritten_unasked` |
//! | a file where a folder is needed | `shore::a_file_where_a_folder_is_needed_is_refused_before_anything_moves` |
//! | a folder where a file is needed | `shore::a_folder_where_a_file_is_needed_is_refused_before_anything_moves` |
//! | … left out on request | `shore::a_file_with_a_folder_in_its_way_is_left_out_on_request` |
//! | … that comes meanwhile | `shore::a_folder_that_comes_into_the_way_meanwhile_is_not_fought` |
//!
//! ## Reading back
//!
//! | fault | test |
//! |---|---|
//! | listing late | `proof::a_listing_that_is_late_is_waited_for` |
//! | listing stays behind | `proof::a_listing_that_stays_behind_proves_nothing` |
//! | a file dropped, another digest listed | `proof::a_file_that_was_dropped_and_one_that_is_another_are_named` |
//! | other bytes under the right name | `lies::other_bytes_under_the_right_name_are_only_seen_by_reading_them` |
//! | listing: 500 for a moment | `proof::a_listing_that_fails_for_a_moment_after_the_commit_is_asked_for_again` |
//! | listing: 503 without end | `proof::a_listing_that_never_comes_after_the_commit_leaves_it_not_proven` |
//! | info: 502 for a moment | `proof::an_info_that_fails_for_a_moment_after_the_commit_is_asked_for_again` |
//! | head late (HF) | `lies::a_head_that_is_late_on_hugging_face_is_waited_for` |
//! | a blob that was there cannot be read | `proof::a_file_that_was_there_and_cannot_be_read_back_is_not_proven` |
//! | a file without a digest cannot be read (MS) | `proof::a_file_listed_without_a_digest_that_cannot_be_read_back_is_not_proven` |

mod batch;
mod case;
mod commit;
mod create;
mod credentials;
mod parts;
mod preupload;
mod proof;
mod put;
mod shore;

/// The table above and the tests, read as text.
#[test]
fn the_table_names_every_test_and_no_other() {
    let table = include_str!("mod.rs");
    let own = [
        ("batch", include_str!("batch.rs")),
        ("commit", include_str!("commit.rs")),
        ("create", include_str!("create.rs")),
        ("parts", include_str!("parts.rs")),
        ("preupload", include_str!("preupload.rs")),
        ("proof", include_str!("proof.rs")),
        ("put", include_str!("put.rs")),
        ("shore", include_str!("shore.rs")),
        ("credentials", include_str!("credentials.rs")),
    ];
    for (module, text) in own {
        for name in text.lines().filter_map(|line| line.strip_prefix("    fn ")?.strip_suffix("(case) {")) {
            assert!(table.contains(&format!("`{module}::{name}`")), "{module}::{name} is not in the table");
        }
    }
    let others = [
        ("cards", include_str!("../cards.rs")),
        ("commits", include_str!("../commits.rs")),
        ("guesses", include_str!("../guesses.rs")),
        ("lies", include_str!("../lies.rs")),
        ("tokens", include_str!("../tokens.rs")),
        ("visibility", include_str!("../visibility.rs")),
    ];
    for row in table.lines().filter(|line| line.starts_with("//! | ") && line.contains("::")) {
        let (module, name) = row.split('`').rev().nth(1).unwrap().split_once("::").unwrap();
        let is_there = |(file, text): &(&str, &str)| *file == module && text.contains(&format!("fn {name}("));
        assert!(own.iter().chain(&others).any(is_there), "{module}::{name} is no test");
    }
}
