"""Logistic regression and a network with one hidden layer on the planar flower of the course."""

from fastnn import Network, datasets

X, y = datasets.make_flower(400, random_state=1)  # X: (m, 2); y: 0 or 1

logistic = Network([2, 1], output="sigmoid", random_state=0)
logistic.fit(X, y, batch_size=None, optimizer="sgd", learning_rate=0.1, epochs=1000)
print(f"logistic regression: accuracy {100 * logistic.evaluate(X, y)['accuracy']:.0f} %")

# The network of the course: one hidden layer of 4 tanh units, full-batch gradient descent.
shallow = Network([2, 4, 1], activation="tanh", output="sigmoid", random_state=0)
history = shallow.fit(X, y, batch_size=None, optimizer="sgd", learning_rate=1.2, epochs=10_000)
print(f"4 hidden units:      accuracy {100 * shallow.evaluate(X, y)['accuracy']:.0f} %, "
      f"cost {history.loss[0]:.3f} -> {history.loss[-1]:.3f}")
