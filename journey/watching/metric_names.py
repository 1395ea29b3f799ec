"""The name of every metric, once. Base units in the name; a counter ends in `_total`."""

PREDICTIONS = "journey_predictions_total"                              # model, version, protocol, outcome
PREDICTION_SECONDS = "journey_prediction_seconds"                      # histogram: body read to answer written
MODEL_SECONDS = "journey_model_seconds"                                # histogram: the model alone
QUEUE_SECONDS = "journey_queue_seconds"                                # histogram: request accepted to request begun
REQUESTS_IN_FLIGHT = "journey_requests_in_flight"
LOOKUP_SECONDS = "journey_lookup_seconds"                              # histogram: one row's lookups
LOOKUP_AGE_SECONDS = "journey_lookup_age_seconds"                      # model, version: at the last lookup, since the store's cut
LOOKUP_MISSES = "journey_lookup_misses_total"                          # model, version, view
RULE_BREACHES = "journey_rule_breaches_total"                          # model, version, column, breach
MODEL_INFO = "journey_model_info"                                      # 1: model, version, bundle, role
MODEL_FAILURES = "journey_model_failures_total"                         # versions that couldn't be opened

FEATURE_BIN = "journey_feature_bin_total"                              # model, version, feature, bin
REFERENCE_PROBABILITY = "journey_feature_reference_probability"        # model, version, feature, bin
REFERENCE_ROWS = "journey_feature_reference_rows"                      # model, version, feature
PSI_LIMIT = "journey_feature_psi_limit"                                # model, version, feature, window
OVERDISPERSION = "journey_feature_overdispersion"                      # model, version, feature

FEEDBACK = "journey_feedback_total"                                    # model, version, score_bin, label
FEEDBACK_REFUSED = "journey_feedback_refused_total"                    # reason: different (a second label) | unknown (no such prediction)
RECORDS_DROPPED = "journey_records_dropped_total"                      # predictions and labels that the full queue didn't take
RECORDS_WAITING = "journey_records_waiting"                            # predictions and labels on their way to the ledger

PROCESS_CPU_SECONDS = "process_cpu_seconds_total"
PROCESS_RESIDENT_MEMORY_BYTES = "process_resident_memory_bytes"
PROCESS_START_TIME_SECONDS = "process_start_time_seconds"
PROCESS_OPEN_FDS = "process_open_fds"
