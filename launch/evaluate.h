/* Weights of a trained model, for evaluate and predict. */
#ifndef KD_LAUNCH_EVALUATE_H
#define KD_LAUNCH_EVALUATE_H

#include "launch/session.h"

/* Reads --weights, or what `fit` left in the run folder, into the replica. Collective. */
kd_status kd_session_trained_weights(kd_session *session);

#endif
