/* Records of a configuration as JSON. */
#ifndef KD_CONFIG_JSON_H
#define KD_CONFIG_JSON_H

#include <stdio.h>

#include "launch/config_record.h"

/* {"sections": [{"kind": .., "name": .., "keys": {..}}]}; calls are {"class_name": .., "args": [..],
 * "config": {..}}. with_origin adds "origin" and "origins". */
void kd_records_json(FILE *out, const kd_records *records, bool with_origin);

#endif
